package starling.jcuda;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import jcuda.NativePointerObject;
import jcuda.Pointer;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.JCudaDriver;
import jcuda.runtime.cudaStream_t;
import starling.cuda.NativeDevice;
import starling.device.Block;
import starling.device.Tensor;

/**
 * Device pointers and streams between this library and programs that use JCuda. Nothing is copied
 * and nothing changes its owner. Both sides work in the primary context of the first card.
 */
public final class Interop {
  private static final VarHandle ADDRESS = address();

  private Interop() {}

  private static VarHandle address() {
    try {
      return MethodHandles.privateLookupIn(NativePointerObject.class, MethodHandles.lookup())
          .findVarHandle(NativePointerObject.class, "nativePointer", long.class);
    } catch (ReflectiveOperationException e) {
      throw new IllegalStateException("this version of JCuda keeps its addresses elsewhere", e);
    }
  }

  /** Both parts of an address, which JCuda shows to subclasses only. */
  private static final class Address extends Pointer {
    Address(long value) {
      super(value);
    }

    Address(Pointer other) {
      super(other);
    }

    long value() {
      return getNativePointer() + getByteOffset();
    }
  }

  // ---- theirs for us ----

  /**
   * A program's own device memory as the memory of tensors ({@code TensorArena.view}); it must stay
   * until the work on it is done. How large it is nobody knows: a view is taken at its word.
   *
   * @throws IllegalArgumentException for a pointer to host memory, or none
   */
  public static Block block(Pointer memory) {
    return block(memory, Block.UNKNOWN);
  }

  /** The same of {@code bytes} bytes, which every view is held against. */
  public static Block block(Pointer memory, long bytes) {
    long address = new Address(memory).value();
    if (address == 0) {
      throw new IllegalArgumentException("memory is no device pointer: " + memory);
    }
    return new Block(null, address, bytes);
  }

  /** A device whose work runs on a program's own stream; the caller closes it before the stream. */
  public static NativeDevice open(cudaStream_t stream) {
    return NativeDevice.openOnStream((long) ADDRESS.get((NativePointerObject) stream));
  }

  // ---- ours for them ----

  /**
   * The context that both sides work in, the first card's primary one. It is retained: the program
   * gives it back with {@code cuDevicePrimaryCtxRelease}.
   *
   * @throws IllegalStateException if the driver refuses, with its status
   */
  public static CUcontext context() {
    var card = new CUdevice();
    var context = new CUcontext();
    int status = JCudaDriver.cuInit(0);
    if (status == CUresult.CUDA_SUCCESS) {
      status = JCudaDriver.cuDeviceGet(card, 0);
    }
    if (status == CUresult.CUDA_SUCCESS) {
      status = JCudaDriver.cuDevicePrimaryCtxRetain(context, card);
    }
    if (status != CUresult.CUDA_SUCCESS) {
      throw new IllegalStateException("no primary context: " + CUresult.stringFor(status));
    }
    return context;
  }

  /** Where a tensor begins. Rows are {@code rowStride} elements apart. */
  public static Pointer pointer(NativeDevice device, Tensor tensor) {
    return new Address(device.addressOf(tensor));
  }

  /** The stream of a device, for the runtime API; it belongs to the device. */
  public static cudaStream_t stream(NativeDevice device) {
    var stream = new cudaStream_t();
    ADDRESS.set((NativePointerObject) stream, device.cudaStream());
    return stream;
  }

  /** The same for the driver API. */
  public static CUstream driverStream(NativeDevice device) {
    return new CUstream(stream(device));
  }
}
