package starling.cli;

import java.util.List;
import java.util.Locale;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import starling.model.ImageOptions;

/** Options of how images become visual tokens, which only some families have. */
final class ImageArguments {
  @Option(
      names = "--anyres",
      paramLabel = "SIZES",
      description = "LLaVA-NeXT: stock, 672 (two tiles by two for every image)")
  private String anyres;

  @Option(
      names = "--newline",
      paramLabel = "FATE",
      description =
          "LLaVA-NeXT, rows that end a row of patches: keep, drop, compete (a cut inside the"
              + " decoder may drop them)")
  private String newline;

  @Option(
      names = "--unpad",
      paramLabel = "ON",
      description = "LLaVA-NeXT: on, off (the border around the image becomes tokens, too)")
  private String unpad;

  @Option(
      names = "--pinpoints",
      paramLabel = "ORDER",
      description = "LLaVA-NeXT, the list of sizes: hw (transformers), wh (the original)")
  private String pinpoints;

  @Option(
      names = "--min-image-tokens",
      paramLabel = "N",
      description = "Qwen2.5-VL, visual tokens of an image at least: smaller ones are enlarged")
  private Integer minImageTokens;

  @Option(
      names = "--max-image-tokens",
      paramLabel = "N",
      description = "Qwen2.5-VL, visual tokens of an image at most: larger ones are made smaller")
  private Integer maxImageTokens;

  /**
   * What is said.
   *
   * @throws ParameterException if a value is none of the option's
   */
  ImageOptions options(CommandLine command) {
    var options = ImageOptions.DEFAULT;
    if (chosen(command, "--anyres", anyres, "stock", "672")) {
      boolean stock = anyres.equals("stock");
      options = options.anyres(stock ? ImageOptions.Anyres.STOCK : ImageOptions.Anyres.TWO_BY_TWO);
    }
    if (chosen(command, "--newline", newline, "keep", "drop", "compete")) {
      String name = newline.toUpperCase(Locale.ROOT);
      options = options.newline(ImageOptions.Newline.valueOf(name));
    }
    if (chosen(command, "--unpad", unpad, "on", "off")) {
      options = options.unpad(unpad.equals("on"));
    }
    if (chosen(command, "--pinpoints", pinpoints, "hw", "wh")) {
      boolean hw = pinpoints.equals("hw");
      options = options.pinpoints(hw ? ImageOptions.Pinpoints.HW : ImageOptions.Pinpoints.WH);
    }
    return options
        .minImageTokens(atLeastOne(command, "--min-image-tokens", minImageTokens))
        .maxImageTokens(atLeastOne(command, "--max-image-tokens", maxImageTokens));
  }

  private static Integer atLeastOne(CommandLine command, String option, Integer value) {
    if (value != null && value < 1) {
      throw new ParameterException(command, option + " is " + value + "; it must be at least 1");
    }
    return value;
  }

  private static boolean chosen(
      CommandLine command, String option, String value, String... values) {
    if (value != null) {
      Usage.oneOf(command, option, value, List.of(values));
    }
    return value != null;
  }
}
