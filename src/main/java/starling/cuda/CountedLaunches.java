package starling.cuda;

import java.util.List;

/**
 * Launches on emulated, and what the host layer counted of all of them.
 *
 * @param launches in their order
 * @param read bytes from global memory that blocks asked for
 * @param written bytes to global memory
 * @param flops of products and FMAs
 */
public record CountedLaunches(List<Launch> launches, long read, long written, long flops) {
  /**
   * A kernel started.
   *
   * @param kernel with its template arguments: {@code gemm<bf16,false>}
   * @param x blocks along the first axis of the grid
   * @param y along the second
   * @param z along the third
   * @param threads of a block
   * @param shared bytes of shared memory that the launch asks for
   */
  public record Launch(String kernel, long x, long y, long z, int threads, int shared) {
    /** From a line of the record. */
    static Launch of(String line) {
      String[] f = line.split("\t", -1);
      String[] grid = f[1].split(",", -1);
      return new Launch(
          f[0].replaceFirst("_kernel\\b", "")
              .replace("{anonymous}::", "")
              .replace("unsigned int", "uint32_t")
              .replace(" ", ""),
          Long.parseLong(grid[0]),
          Long.parseLong(grid[1]),
          Long.parseLong(grid[2]),
          Integer.parseInt(f[2]),
          Integer.parseInt(f[3]));
    }

    /** Of the whole grid. */
    public long blocks() {
      return x * y * z;
    }
  }
}
