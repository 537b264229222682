package starling.prune;

import java.util.List;
import starling.input.InputException;

/**
 * A pruning method with its options: a value. {@link Methods#parse} makes one from a spec; a
 * program makes one of its own and hands it to {@link starling.Question#prune(Method)}. Both are
 * treated alike.
 */
public interface Method {
  /**
   * The method with every option written out, defaults included, as reports name it: {@code
   * name:key=value,key=value}. Where a {@link MethodProvider} gives the method its name, this is a
   * spec that it can read.
   */
  String spec(VlmShape shape);

  /** What a count of the method is over, an image or a crop; the method is asked once for each. */
  default Budget budget() {
    return Budget.IMAGE;
  }

  /**
   * The cuts for a model and a prompt, in order of flow; at most one behind each decoder layer. Not
   * called for a prompt without an image.
   *
   * @throws InputException if the options do not fit: one sentence with the option and the number
   *     there is
   */
  List<CutPoint> cuts(VlmShape shape);
}
