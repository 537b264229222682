package starling.model;

import java.util.Arrays;
import java.util.List;
import starling.device.Sampling;
import starling.prune.ImageTokens;
import starling.prune.Methods;

/** The counts of a prompt of one image and some text behind it. */
public final class ImagePlan {
  private ImagePlan() {}

  /** With {@code text} text tokens, as a method prunes it. */
  public static Plan of(VisionLanguageModel model, ImageTokens image, String spec, int text) {
    int[] ids = new int[1 + text];
    Arrays.fill(ids, 1);
    ids[0] = model.imageToken();
    var request =
        new Request(
            ids,
            List.of(new ImageInput(image, List.of())),
            Methods.parse(spec),
            Mode.COMPACT,
            Sampling.GREEDY,
            1,
            (phase, done, of) -> {});
    return Plan.of(model, request);
  }
}
