/**
 * Pruning methods. A {@link starling.prune.Method} says where it acts and how many visual tokens go
 * on; a {@link starling.prune.CutPoint} chooses them with the device's operators.
 */
package starling.prune;
