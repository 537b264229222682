package starling.model;

/** What the questions of a model hold on the device, for tests that look for leaks. */
public final class QuestionMemory {
  private QuestionMemory() {}

  /** Bytes that arenas of questions and of encoded images hold, keys and values not included. */
  public static long bytes(LoadedModel model) {
    return model.slab().used();
  }
}
