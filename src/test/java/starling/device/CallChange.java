package starling.device;

/** Makes right arguments wrong, or puts them at the edge. */
interface CallChange {
  void on(CallMemory memory, CallArguments arguments);
}
