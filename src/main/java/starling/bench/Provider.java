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
  OWN(null, GemmProvider.OWN, AttentionProvider.OWN),

  /** cuBLASLt's products. */
  CUBLASLT("gemm", GemmProvider.CUBLASLT, AttentionProvider.OWN),

  /** cuDNN's attention. */
  CUDNN("attention", GemmProvider.OWN, AttentionProvider.CUDNN),

  /** cuBLAS' products, called by JCublas. */
  JCUBLAS("gemm", GemmProvider.OWN, AttentionProvider.OWN);

  /** The operator that a library has in place of ours; null with {@link #OWN}. */
  final String operator;

  private final GemmProvider gemm;
  private final AttentionProvider attention;

  Provider(String operator, GemmProvider gemm, AttentionProvider attention) {
    this.operator = operator;
    this.gemm = gemm;
    this.attention = attention;
  }

  /** What the device is opened with. */
  Providers device() {
    return new Providers(gemm, attention);
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
