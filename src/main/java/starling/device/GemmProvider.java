package starling.device;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.input.InputException;

/** Whose kernels multiply matrices. */
public enum GemmProvider {
  /** NVIDIA's cuBLASLt where it is found, else {@link #OWN}. */
  AUTO,

  /** The device's own. */
  OWN,

  /** NVIDIA's cuBLASLt, which only cuda has; a device that cannot use it does not open. */
  CUBLASLT;

  /** Lower-case name, as the command line writes it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The labels of all of them, {@code auto} first. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(GemmProvider::label).toList();
  }

  /**
   * The provider of a label, for the command line.
   *
   * @throws InputException if there is no such provider; names those there are
   */
  public static GemmProvider of(String label) {
    for (GemmProvider provider : values()) {
      if (provider.label().equals(label)) {
        return provider;
      }
    }
    throw new InputException("gemm '" + label + "' is not one of " + String.join(", ", labels()));
  }
}
