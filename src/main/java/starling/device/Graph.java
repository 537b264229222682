package starling.device;

/**
 * Work of a device that is put on it again and again, as a whole: the same operators on the same
 * tensors. What changes from time to time is read from device memory. One thread at a time.
 */
public interface Graph extends AutoCloseable {
  /** Puts the work on the device once more; its tensors are still open. */
  void launch();

  /** Gives back what it holds, which are no tensors; harmless when repeated. */
  @Override
  void close();
}
