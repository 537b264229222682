package starling.device;

/**
 * Where rows that go from product to product have their statistics ({@link ProductRows}). On a
 * device whose products pass none on, there are none, and every product finds its own.
 */
public final class Statistics {
  private final Device device;
  private final Tensor memory; // f32 [rows, 2·parts]; null if the device passes none on

  private Statistics(Device device, Tensor memory) {
    this.device = device;
    this.memory = memory;
  }

  /**
   * Memory for those of at most {@code rows} rows at a time.
   *
   * @param width of the rows
   */
  public static Statistics of(Device device, TensorArena arena, int rows, int width) {
    boolean passes = device.passesStatistics(1) || device.passesStatistics(rows);
    int parts = ProductRows.parts(1, width);
    return new Statistics(
        device, passes ? arena.empty("statistics", DType.F32, rows, 2 * parts) : null);
  }

  /**
   * Those of {@code x}, a call's rows as a product leaves and reads them; null if there are none.
   */
  public Tensor of(Tensor x) {
    if (memory == null || !device.passesStatistics(x.rows())) {
      return null;
    }
    return memory.rows(0, x.rows()).columns(0, 2 * ProductRows.parts(x.rows(), x.width()));
  }

  /** Those of the last row of {@code x}, which is multiplied alone; null if there are none. */
  public Tensor ofLast(Tensor x) {
    Tensor all = of(x);
    return all == null ? null : all.rows(x.rows() - 1, x.rows());
  }
}
