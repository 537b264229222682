package starling.jcuda;

import jcuda.driver.CUfunction;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import starling.cuda.EmptyKernel;
import starling.cuda.NativeDevice;
import starling.input.InputException;

/**
 * The launch of {@link EmptyKernel} by JCuda's JNI: the same kernel, grid and stream, as JCuda
 * offers it.
 */
public final class JniLaunch implements AutoCloseable {
  private final CUmodule module;
  private final CUfunction function;
  private final CUstream stream;

  /**
   * Loads the kernel by JCuda into the context of the device.
   *
   * @throws InputException if JCuda or its native library is not there, or the driver refuses the
   *     kernel, with the reason
   */
  public JniLaunch(NativeDevice device) {
    try {
      this.module = new CUmodule();
      Starting.of(JCudaDriver.class);
      this.function = new CUfunction();
      this.stream = Interop.driverStream(device);
      check("cuModuleLoadData", JCudaDriver.cuModuleLoadData(module, EmptyKernel.PTX));
      check(
          "cuModuleGetFunction",
          JCudaDriver.cuModuleGetFunction(function, module, EmptyKernel.NAME));
    } catch (LinkageError e) {
      throw new InputException("JCuda: " + why(e), e);
    }
  }

  /** The first line of what a class or library that does not load says of itself. */
  static String why(LinkageError e) {
    String text = String.valueOf(e.getMessage()).lines().findFirst().orElse("");
    return e instanceof NoClassDefFoundError ? "no class " + text : text;
  }

  private static void check(String call, int status) {
    if (status != 0) {
      throw new InputException("JCuda: " + call + ": " + CUresult.stringFor(status));
    }
  }

  /** Launches it; returns when the driver has taken it. */
  public void launch() {
    check(
        "cuLaunchKernel",
        JCudaDriver.cuLaunchKernel(
            function, 1, 1, 1, EmptyKernel.THREADS, 1, 1, 0, stream, null, null));
  }

  @Override
  public void close() {
    check("cuModuleUnload", JCudaDriver.cuModuleUnload(module));
  }
}
