/**
 * For programs that use JCuda, and for benches beside it. {@link starling.jcuda.Interop} hands
 * memory and streams over in both directions; {@link starling.jcuda.Jcublas} multiplies by cuBLAS.
 * JCuda is optional: nothing else needs it.
 */
package starling.jcuda;
