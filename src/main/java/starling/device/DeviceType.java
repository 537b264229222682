package starling.device;

import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.input.InputException;

/** What runs the operators. */
public enum DeviceType {
  /** Whatever opens first: {@link #CUDA}, else {@link #CPU}. No open device is of this type. */
  AUTO,

  /** Java on the processor, with the Vector API where it is there; opens everywhere. */
  CPU,

  /** The CUDA kernels on an NVIDIA GPU. */
  CUDA,

  /** The CUDA kernels compiled for the processor: slow, to check them where there is no GPU. */
  EMULATED;

  /** Lower-case name, as the command line and reports write it. */
  @JsonValue
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The labels of all types, {@code auto} first. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(DeviceType::label).toList();
  }

  /**
   * The type of a label, for the command line.
   *
   * @throws InputException if there is no such type; names those there are
   */
  public static DeviceType of(String label) {
    for (DeviceType type : values()) {
      if (type.label().equals(label)) {
        return type;
      }
    }
    throw new InputException("device '" + label + "' is not one of " + String.join(", ", labels()));
  }
}
