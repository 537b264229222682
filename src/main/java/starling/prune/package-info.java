/**
 * Pruning methods. A {@link starling.prune.Method} says where it acts and how many visual tokens go
 * on; a {@link starling.prune.CutPoint} chooses them with the device's operators.
 *
 * <p>A method of one's own is a {@code Method} like the built-in ones. A program hands it to {@link
 * starling.Question#prune(starling.prune.Method)}; a {@link starling.prune.MethodProvider} gives it
 * a name for the command line. It gets all that the built-in ones get: counts and FLOPs before
 * anything runs, the compacted and the masked form, timings, the trace and the overlay.
 */
package starling.prune;
