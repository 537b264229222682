package starling.device;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.input.InputException;

/** Whose kernels attend. */
public enum AttentionProvider {
  /** The device's own. */
  OWN,

  /** NVIDIA's cuDNN, which only cuda has; a device that cannot use it does not open. */
  CUDNN;

  /** Lower-case name, as the command line writes it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The labels of all of them, {@code own} first. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(AttentionProvider::label).toList();
  }

  /**
   * The provider of a label, for the command line.
   *
   * @throws InputException if there is no such provider; names those there are
   */
  public static AttentionProvider of(String label) {
    for (AttentionProvider provider : values()) {
      if (provider.label().equals(label)) {
        return provider;
      }
    }
    throw new InputException(
        "attention '" + label + "' is not one of " + String.join(", ", labels()));
  }
}
