package starling.prune;

import java.util.List;
import starling.input.InputException;

/**
 * A pruning method with its options: a value that says where it acts. Made by {@link
 * Methods#parse}, or by a program of its own and handed to {@link starling.Question#prune(Method)};
 * nothing of what follows knows the difference.
 */
public interface Method {
  /**
   * The method with every option written out, defaults included, as reports name it: {@code
   * name:key=value,key=value}. One that a {@link MethodProvider} reads again.
   */
  String spec(VlmShape shape);

  /** What its counts are over, and so what it is asked about at a time. */
  default Budget budget() {
    return Budget.IMAGE;
  }

  /**
   * The cuts for a model and a prompt, in order of flow; at most one behind each decoder layer.
   * Without an image nobody asks.
   *
   * @throws InputException if the options do not fit: one sentence with the option and the number
   *     there is
   */
  List<CutPoint> cuts(VlmShape shape);
}
