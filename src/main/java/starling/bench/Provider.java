package starling.bench;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import starling.device.AttentionProvider;
import starling.device.GemmProvider;
import starling.device.Providers;

/** Whose kernels a bench measures: ours, and NVIDIA's libraries in place of one operator. */
public enum Provider {
  /** Our own kernels, of every operator. */
  OWN(null),

  /** cuBLASLt's products. */
  CUBLASLT("gemm"),

  /** cuDNN's attention. */
  CUDNN("attention"),

  /** cuBLAS' products, called by JCublas. */
  JCUBLAS("gemm");

  /** The operator that a library has in place of ours; null with {@link #OWN}. */
  final String operator;

  Provider(String operator) {
    this.operator = operator;
  }

  /** What the device is opened with. */
  Providers device() {
    return switch (this) {
      case CUBLASLT -> Providers.gemm(GemmProvider.CUBLASLT);
      case CUDNN -> Providers.attention(AttentionProvider.CUDNN);
      case OWN, JCUBLAS -> Providers.OWN;
    };
  }

  /** Lower-case name, as the command line and reports write it. */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** The labels of all of them, {@code own} first. */
  public static List<String> labels() {
    return Arrays.stream(values()).map(Provider::label).toList();
  }

  /**
   * The provider of a label.
   *
   * @throws IllegalArgumentException if there is no such provider
   */
  public static Provider of(String label) {
    return valueOf(label.toUpperCase(Locale.ROOT));
  }
}
