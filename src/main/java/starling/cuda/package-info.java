/**
 * The native device: the operators of {@code native/include/starling.h}, called through the Foreign
 * Function &amp; Memory API. {@link starling.cuda.NativeDevice} is {@code cuda} over {@code
 * libstarling_cuda.so} and {@code emulated} over {@code libstarling_host.so}; the Java code is the
 * same. No tensor arithmetic happens here.
 *
 * <p>From the call to the library: {@code NativeDevice} checks the arguments, {@code Operators}
 * puts them into a structure, {@code starling.cuda.abi.Bindings} (generated from the header) calls
 * the function. Under the device lie {@code NativeLibrary} (finds the library), {@code
 * NativeStream}, {@code NativeMemory}, {@code NativeEvents} and {@code Copies}; {@code Libraries}
 * are NVIDIA's ({@code starling.nvidia}), where they take an operator.
 */
package starling.cuda;
