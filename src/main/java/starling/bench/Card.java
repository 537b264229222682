package starling.bench;

import java.util.Arrays;
import java.util.List;
import starling.input.InputException;

/**
 * What a card is taken to reach, for predictions. Nothing here was measured by us.
 *
 * @param label as the command line writes it
 * @param name as the card calls itself, or a part of it
 * @param multiprocessors SMs
 * @param gigahertz clock of an SM
 * @param issues warp instructions that an SM starts a cycle
 * @param products TFLOP/s of mma.sync on bf16
 * @param libraryProducts TFLOP/s on bf16 that libraries with wgmma reach
 * @param wavefronts of shared memory, 128 bytes each, that an SM serves a cycle
 * @param l2 TB/s that all SMs read from L2
 * @param dram TB/s to and from the card's memory
 * @param gap microseconds from the end of a launch to the start of the next
 */
public record Card(
    String label,
    String name,
    int multiprocessors,
    double gigahertz,
    int issues,
    double products,
    double libraryProducts,
    double wavefronts,
    double l2,
    double dram,
    double gap) {
  private static final List<Card> ALL =
      List.of(
          new Card("h200", "H200", 132, 1.755, 4, 620, 790, 1, 6.65, 4.3, 1),
          new Card("h100", "H100", 132, 1.755, 4, 620, 790, 1, 6.65, 3.35, 1));

  /** The labels of all of them. */
  public static List<String> labels() {
    return ALL.stream().map(Card::label).toList();
  }

  /**
   * The card of a label, for the command line.
   *
   * @throws InputException if there is no such card; names those there are
   */
  public static Card of(String label) {
    return ALL.stream()
        .filter(card -> card.label.equals(label))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    "card '" + label + "' is not one of " + String.join(", ", labels())));
  }

  /** Where its rates come from, a sentence each. */
  public List<String> assumptions() {
    String memory =
        label.equals("h200")
            ? "4.3 TB/s is what a copy is taken to reach of the H200's nominal 4.8."
            : "3.35 TB/s is the nominal rate of the H100 SXM; a copy reaches less.";
    return List.of(
        "132 SMs at 1.755 GHz with four schedulers each, as NVIDIA states for the SXM cards.",
        "mma.sync reaches 620 TFLOP/s on bf16: 63 % of the dense peak of 989, about what Luo et"
            + " al. measured on Hopper (arXiv 2402.13499). Libraries with wgmma are taken to reach"
            + " 790.",
        "L2 gives all SMs 6.65 TB/s, which OpenXLA's cost model of products"
            + " (gpu_dot_fusion_cost_model.cc) names as measured on an H100 within a partition of"
            + " L2. Other figures that are passed on are near 5.5.",
        memory,
        "Shared memory serves a wavefront of 128 bytes an SM and cycle, without bank conflicts.",
        "A launch starts 1 us after the one before, an assumption for graphs.");
  }

  /** The rates under names, for reports. */
  List<List<String>> rates() {
    return Arrays.asList(
        List.of("SMs", "" + multiprocessors),
        List.of("GHz", "" + gigahertz),
        List.of("instructions an SM and cycle", "" + issues),
        List.of("TFLOP/s of mma.sync", Table.number(products)),
        List.of("TFLOP/s of libraries", Table.number(libraryProducts)),
        List.of("L2 TB/s", Table.number(l2)),
        List.of("memory TB/s", Table.number(dram)),
        List.of("us between launches", Table.number(gap)));
  }
}
