package starling.bench;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A prediction: what an operator would take on a card, the largest of what its parts would, and the
 * launches. Nothing of it was measured.
 *
 * @param part of an answer, or the operator's name
 * @param sizes as a row of the bench has them
 * @param count how often an answer has it; 1 for a row of the bench
 * @param work what it does
 * @param blocks that an SM has at once; 0 if the kernel's code is not known
 * @param waves of the grid
 * @param instructions of all warps
 * @param products of tensor cores, 16 x 8 x 16 each
 * @param wavefronts of shared memory
 * @param memoryBytes that must move once
 * @param micros by what they are bound by
 * @param bound the part that takes longest
 * @param total microseconds, with the gaps between launches
 */
record PredictedRow(
    String part,
    String sizes,
    String dtype,
    int count,
    Counted work,
    int blocks,
    double waves,
    double instructions,
    double products,
    double wavefronts,
    double memoryBytes,
    Map<String, Double> micros,
    String bound,
    double total) {
  /** FLOPs of one mma.m16n8k16. */
  private static final double PRODUCT = 2 * 16 * 8 * 16;

  /**
   * @param code of the kernel, or null if it is not known
   */
  static PredictedRow of(Card card, Case c, int count, Counted work, KernelWork code) {
    double blocks = work.launch().blocks();
    double warps = blocks * Math.ceilDiv(work.launch().threads(), 32);
    boolean tensor = code != null && code.loopProducts() > 0;
    double products = tensor ? work.flops() / PRODUCT : 0;
    double passes = code == null ? 0 : code.passes(products, work.read());
    double instructions = code == null ? 0 : passes * code.loopInstructions() + warps * code.rest();
    double wavefronts = code == null ? 0 : passes * code.loopWavefronts();
    // An SM with one block more than others ends last.
    double busiest = Math.ceil(blocks / card.multiprocessors()) / blocks;
    double cycles = card.gigahertz() * 1e3; // a microsecond
    var micros = new LinkedHashMap<String, Double>();
    micros.put("issue", instructions * busiest / (card.issues() * cycles));
    micros.put(
        "products", products * PRODUCT * busiest * card.multiprocessors() / card.products() / 1e6);
    micros.put("shared", wavefronts * busiest / (card.wavefronts() * cycles));
    micros.put("l2", (work.read() + work.written()) / card.l2() / 1e6);
    micros.put("memory", c.bytes() / card.dram() / 1e6);
    String bound =
        micros.entrySet().stream().max(Map.Entry.comparingByValue()).orElseThrow().getKey();
    int fit = code == null ? 0 : code.blocks(work.launch().shared());
    return new PredictedRow(
        c.name(),
        c.sizes().toString(),
        c.dtype().label(),
        count,
        work,
        fit,
        fit == 0 ? Double.NaN : blocks / (card.multiprocessors() * fit),
        instructions,
        products,
        wavefronts,
        c.bytes(),
        micros,
        bound,
        micros.get(bound) + work.launches() * card.gap());
  }

  /** All of it in an answer. */
  double all() {
    return count * total;
  }

  /** Every input and every part, unrounded, under names that never change. */
  Map<String, Object> figures() {
    var f = new LinkedHashMap<String, Object>();
    f.put("op", part);
    f.put("sizes", sizes);
    f.put("dtype", dtype);
    f.put("kernel", work.launch().kernel());
    f.put("launches", work.launches());
    f.put("grid", work.launch().x() + "x" + work.launch().y() + "x" + work.launch().z());
    f.put("threads", work.launch().threads());
    f.put("blocks_per_sm", blocks);
    f.put("waves", waves);
    f.put("instructions", instructions);
    f.put("products", products);
    f.put("wavefronts", wavefronts);
    f.put("l2_bytes", work.read() + work.written());
    f.put("memory_bytes", memoryBytes);
    micros.forEach((name, t) -> f.put(name + "_us", t));
    f.put("bound", bound);
    f.put("predicted_us", total);
    return f;
  }
}
