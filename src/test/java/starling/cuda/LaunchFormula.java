package starling.cuda;

import java.util.Map;
import java.util.TreeMap;

/** Launches per kernel, as kernels/README.md states them: one image, B vision blocks, L layers. */
final class LaunchFormula {
  private LaunchFormula() {}

  static Map<String, Long> prefill(String spec, int b, int l) {
    var n = new TreeMap<String, Long>();
    n.put("patchify", 1L);
    n.put("embed", 3L); // the class row, and the text on both sides of the image
    n.put("layernorm", 1L); // before the blocks; the other norms are in the products
    n.put("row_statistics", 2L); // of the rows that enter the tower and the decoder
    // Tower: patches, 4 a block; projector 2; decoder 4 a layer. The last row goes through gemv.
    n.put("gemm", 1L + 4L * b + 2 + 4L * l);
    n.put("gemv", 1L);
    n.put("attention", (long) b + l);
    n.put("rope", (long) l);
    n.put("sample", 1L);
    if (spec.startsWith("star")) {
      n.put("colsum_select", 2L); // which name the rows that stay
      n.put("gather_rows", 1L); // the patches of stage 2, by their numbers before stage 1
    }
    if (spec.startsWith("vispruner")) {
      n.put("row_map", 1L);
      n.put("colsum_select", 1L);
      n.merge("gemm", 1L, Long::sum); // the Gram matrix
      n.put("diagonal", 1L);
      n.put("cosines", 1L);
      n.put("drop_duplicates", 1L);
      n.put("gather_rows", 1L); // the kept rows of the features, for the projector
    }
    return n;
  }

  static Map<String, Long> decode(int l, int steps) {
    var n = new TreeMap<String, Long>();
    n.put("embed", (long) steps);
    n.put("gemv", (3L * l + 1) * steps);
    n.put("step_attention", (long) l * steps); // rope, attention and the output projection
    n.put("sample", (long) steps);
    n.put("advance", (long) steps);
    return n;
  }
}
