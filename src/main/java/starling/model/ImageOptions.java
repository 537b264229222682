package starling.model;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import starling.image.ImageMode;
import starling.input.InputException;

/**
 * What a question may say about how its images become visual tokens. What it does not say is null,
 * and then the family's default holds. A family has some of the options and refuses the others by
 * {@link #only}.
 *
 * @param mode how an image becomes square; {@link ImageMode#CHECKPOINT} unless told
 * @param anyres the sizes that an image in tiles may have
 * @param newline what becomes of the newline rows of a grid of tiles
 * @param unpad whether the rows of a border that only fills the tiles are left out
 * @param pinpoints in which order the checkpoint's list of sizes is read
 * @param minImageTokens an image is enlarged to have as many visual tokens, at least 1
 * @param maxImageTokens an image is made smaller to have no more visual tokens, at least 1
 */
public record ImageOptions(
    ImageMode mode,
    Anyres anyres,
    Newline newline,
    Boolean unpad,
    Pinpoints pinpoints,
    Integer minImageTokens,
    Integer maxImageTokens) {

  /** As the checkpoint and its family say. */
  public static final ImageOptions DEFAULT =
      new ImageOptions(ImageMode.CHECKPOINT, null, null, null, null, null, null);

  /** The sizes that an image in tiles may have. */
  public enum Anyres {
    /** Those of the checkpoint's list. */
    STOCK,
    /** Two tiles by two for every image, as some pruning papers run it. */
    TWO_BY_TWO;

    /** The name on the command line. */
    public String label() {
      return this == STOCK ? "stock" : "672";
    }
  }

  /** What becomes of the newline row behind each row of a grid of tiles. */
  public enum Newline {
    /** It is there and always stays. */
    KEEP,
    /** It is not there. */
    DROP,
    /** It is there, and cuts inside the decoder may drop it. */
    COMPETE;

    /** The name on the command line. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** How the two numbers of a size in the checkpoint's list are read. */
  public enum Pinpoints {
    /** Height, then width: transformers. */
    HW,
    /** Width, then height: the original LLaVA. */
    WH;

    /** The name on the command line. */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  private static final Map<String, String> HAS_IT =
      Map.of(
          "image-mode", "LLaVA-1.5",
          "anyres", "LLaVA-NeXT",
          "newline", "LLaVA-NeXT",
          "unpad", "LLaVA-NeXT",
          "pinpoints", "LLaVA-NeXT",
          "min-image-tokens", "Qwen2.5-VL",
          "max-image-tokens", "Qwen2.5-VL");

  /**
   * @throws IllegalArgumentException if a count is below 1
   */
  public ImageOptions {
    Objects.requireNonNull(mode);
    atLeastOne("minImageTokens", minImageTokens);
    atLeastOne("maxImageTokens", maxImageTokens);
  }

  private static void atLeastOne(String name, Integer value) {
    if (value != null && value < 1) {
      throw new IllegalArgumentException(name + " is " + value + "; it must be at least 1");
    }
  }

  /** With another mode. */
  public ImageOptions mode(ImageMode value) {
    return new ImageOptions(
        value, anyres, newline, unpad, pinpoints, minImageTokens, maxImageTokens);
  }

  /** With other sizes. */
  public ImageOptions anyres(Anyres value) {
    return new ImageOptions(mode, value, newline, unpad, pinpoints, minImageTokens, maxImageTokens);
  }

  /** With another fate of newlines. */
  public ImageOptions newline(Newline value) {
    return new ImageOptions(mode, anyres, value, unpad, pinpoints, minImageTokens, maxImageTokens);
  }

  /** With or without the border. */
  public ImageOptions unpad(Boolean value) {
    return new ImageOptions(
        mode, anyres, newline, value, pinpoints, minImageTokens, maxImageTokens);
  }

  /** With another reading of the list. */
  public ImageOptions pinpoints(Pinpoints value) {
    return new ImageOptions(mode, anyres, newline, unpad, value, minImageTokens, maxImageTokens);
  }

  /** With another lower limit of visual tokens. */
  public ImageOptions minImageTokens(Integer value) {
    return new ImageOptions(mode, anyres, newline, unpad, pinpoints, value, maxImageTokens);
  }

  /** With another upper limit of visual tokens. */
  public ImageOptions maxImageTokens(Integer value) {
    return new ImageOptions(mode, anyres, newline, unpad, pinpoints, minImageTokens, value);
  }

  /** The options that are said, by their names on the command line, with their values. */
  public Map<String, String> said() {
    var said = new LinkedHashMap<String, String>();
    put(said, "image-mode", mode == ImageMode.CHECKPOINT ? null : mode.label());
    put(said, "anyres", anyres == null ? null : anyres.label());
    put(said, "newline", newline == null ? null : newline.label());
    put(said, "unpad", unpad == null ? null : unpad ? "on" : "off");
    put(said, "pinpoints", pinpoints == null ? null : pinpoints.label());
    put(said, "min-image-tokens", minImageTokens);
    put(said, "max-image-tokens", maxImageTokens);
    return said;
  }

  /** The same in one line, {@code name=value,name=value}; null if nothing is said. */
  public String text() {
    List<String> all = said().entrySet().stream().map(Map.Entry::toString).toList();
    return all.isEmpty() ? null : String.join(",", all);
  }

  private static void put(Map<String, String> said, String name, Object value) {
    if (value != null) {
      said.put(name, value.toString());
    }
  }

  /**
   * Refuses what a family does not have.
   *
   * @param family in words
   * @param has the options that it has, by their names on the command line
   * @throws InputException naming the first other option that is said
   */
  public void only(String family, String... has) {
    for (var option : said().entrySet()) {
      String name = option.getKey();
      if (!List.of(has).contains(name)) {
        throw new InputException(
            "--"
                + name
                + " "
                + option.getValue()
                + " does not apply to this model, which is "
                + family
                + "; only "
                + HAS_IT.get(name)
                + " has that option");
      }
    }
  }
}
