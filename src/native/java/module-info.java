/** The kernels as libraries for Linux on x86-64; {@code starling} loads them. */
open module starling.natives {
  requires starling;

  provides starling.CompanionJar with
      starling.natives.NativeJar;
}
