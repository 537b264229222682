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
  OWN(null, Providers.OWN),

  /** cuBLASLt's products. */
  CUBLASLT("gemm", Providers.gemm(GemmProvider.CUBLASLT)),

  /** cuDNN's attention. */
  CUDNN("attention", Providers.attention(AttentionProvider.CUDNN)),

  /** cuBLAS' products, called by JCublas. */
  JCUBLAS("gemm", Providers.OWN);

  /** The operator that a library has in place of ours; null with {@link #OWN}. */
  final String operator;

  /** What the device is opened with. */
  final Providers device;

  Provider(String operator, Providers device) {
    this.operator = operator;
    this.device = device;
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
