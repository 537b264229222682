import java.util.List;
import java.util.Locale;

/**
 * What was read off one kernel.
 *
 * @param perProduct instructions of the hottest loop per tensor-core product, in PTX; NaN without
 * @param perProductSass the same in machine code; NaN also without nvdisasm
 * @param loops inside the hottest loop
 * @param inFlight loads and copies of a thread on their way before one is used, in PTX
 * @param inFlightSass the same in machine code, −1 without nvdisasm
 * @param narrow stores to global memory of less than 16 bytes, but for lines with a reason
 * @param blocks that fit an SM of sm_90
 * @param blocks80 that would fit one of sm_80 with the same registers
 */
record Figures(
    Compiler.Kernel kernel,
    Region hot,
    Region rest,
    List<Instruction> narrowStores,
    double perProduct,
    double perProductSass,
    int loops,
    int inFlight,
    int inFlightSass,
    int narrow,
    int registers,
    int blocks,
    int blocks80,
    int code) {

  static Figures of(Compiler.Kernel k, int dynamic, Reasons reasons) {
    Region ptx = Region.hottest(k.ptx());
    Region sass = k.sass() == null ? null : Region.hottest(k.sass());
    List<Instruction> narrow =
        k.ptx().instructions().stream()
            .filter(i -> i.is(Instruction.Kind.STORE) && i.bytes() < 16)
            .filter(i -> !reasons.excuse(i.places()))
            .toList();
    int shared = k.shared() + dynamic;
    return new Figures(
        k,
        sass == null ? ptx : sass,
        Region.straight(sass == null ? k.ptx() : k.sass()),
        narrow,
        perProduct(ptx),
        sass == null ? Double.NaN : perProduct(sass),
        ptx.inner().size(),
        ptx.inFlight(),
        sass == null ? -1 : sass.inFlight(),
        narrow.size(),
        k.registers(),
        blocks(k.threads(), k.registers(), shared, 228 * 1024),
        blocks(k.threads(), k.registers(), shared, 164 * 1024),
        k.code());
  }

  private static double perProduct(Region r) {
    int products = r.count(Instruction.Kind.PRODUCT);
    return products == 0 ? Double.NaN : (double) r.way().size() / products;
  }

  /**
   * Blocks of an SM with 64 warps, 32 blocks and 65,536 registers, which a warp takes in pieces of
   * 256; a block takes 1 KB of shared memory beside its own.
   */
  static int blocks(int threads, int registers, int shared, int sharedOfSm) {
    int warps = (threads + 31) / 32;
    int ofWarp = (registers * 32 + 255) / 256 * 256;
    int byRegisters = 65536 / ofWarp / 4 * 4 / warps; // each of four parts has its own registers
    int byShared = sharedOfSm / ((shared + 127) / 128 * 128 + 1024);
    return Math.min(Math.min(32, 64 / warps), Math.min(byRegisters, byShared));
  }

  /** As a row of Markdown. */
  String row(int dynamic) {
    return String.format(
        Locale.ROOT,
        "| `%s` | %d | %d | %d + %d | %d / %d | %s | %s | %d | %d / %s | %d | %.1f |",
        kernel.name(),
        kernel.threads(),
        registers,
        kernel.shared(),
        dynamic,
        blocks,
        blocks80,
        text(perProduct),
        text(perProductSass),
        loops,
        inFlight,
        inFlightSass < 0 ? "" : inFlightSass,
        narrow,
        code / 1024.0);
  }

  private static String text(double x) {
    return Double.isNaN(x) ? "" : String.format(Locale.ROOT, "%.1f", x);
  }

  static final String HEAD =
      """
      | kernel | threads | registers | shared bytes, fixed + launch | blocks an SM, sm_90 / 80 | PTX per product | instructions per product | loops inside | loads in flight, PTX / machine | narrow stores | code KB |
      | --- | --: | --: | --: | --: | --: | --: | --: | --: | --: | --: |
      """;
}
