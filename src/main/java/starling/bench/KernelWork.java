package starling.bench;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/**
 * What {@code tools/kernel-budget --work} read off the machine code of a kernel, for sm_90a. The
 * hottest loop stands for all loops of its kernel.
 *
 * @param threads of a block
 * @param registers of a thread
 * @param fixedShared bytes of shared memory beside what the launch asks for
 * @param loopInstructions of a warp in one pass of the hottest loop; 0 without a loop
 * @param loopProducts tensor-core products of a warp in one pass
 * @param loopBytes that a thread loads in one pass
 * @param loopWavefronts of shared memory that a warp takes in one pass
 * @param rest instructions of a warp outside loops
 */
record KernelWork(
    int threads,
    int registers,
    int fixedShared,
    int loopInstructions,
    int loopProducts,
    int loopBytes,
    int loopWavefronts,
    int rest) {
  private static final int REGISTERS = 65_536; // of an SM
  private static final int SHARED = 228 * 1024;

  /** By the kernel's name with its template arguments. */
  static Map<String, KernelWork> all() {
    try (InputStream file = KernelWork.class.getResourceAsStream("kernel-work.csv")) {
      var all = new HashMap<String, KernelWork>();
      new String(file.readAllBytes(), StandardCharsets.UTF_8)
          .lines()
          .skip(1)
          .forEach(line -> add(all, line));
      return all;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void add(Map<String, KernelWork> all, String line) {
    int end = line.startsWith("\"") ? line.indexOf('"', 1) : line.indexOf(',');
    String[] cells = line.substring(line.indexOf(',', end) + 1).split(",", -1);
    int[] n = new int[cells.length];
    for (int i = 0; i < n.length; i++) {
      n[i] = Integer.parseInt(cells[i]);
    }
    all.put(
        line.substring(0, end).replace("\"", ""),
        new KernelWork(n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]));
  }

  /** Blocks that fit an SM of sm_90 at once, as {@code tools/kernel-budget} counts them. */
  int blocks(int shared) {
    int warps = (threads + 31) / 32;
    int ofWarp = (registers * 32 + 255) / 256 * 256;
    int byRegisters = REGISTERS / ofWarp / 4 * 4 / warps;
    int byShared = SHARED / ((fixedShared + shared + 127) / 128 * 128 + 1024);
    return Math.min(Math.min(32, 64 / warps), Math.min(byRegisters, byShared));
  }

  /** Passes of all warps through the hottest loop, of the products there are, else of the bytes. */
  double passes(double products, double read) {
    return loopProducts > 0
        ? products / loopProducts
        : loopBytes > 0 ? read / (32.0 * loopBytes) : 0;
  }
}
