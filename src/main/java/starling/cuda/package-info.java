/**
 * The native device: the operators of {@code native/include/starling.h}, called through the Foreign
 * Function &amp; Memory API. {@link starling.cuda.NativeDevice} is {@code cuda} over {@code
 * libstarling_cuda.so} and {@code emulated} over {@code libstarling_host.so}; the Java code is the
 * same. No tensor arithmetic happens here.
 */
package starling.cuda;
