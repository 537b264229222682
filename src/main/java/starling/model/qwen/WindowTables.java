package starling.model.qwen;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import starling.device.DType;
import starling.device.Device;
import starling.device.Rope;
import starling.device.Segment;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/**
 * What the tower reads about the grid of one image, on the device.
 *
 * @param patches i32 {@code [T]}: the patch of each row of the tower
 * @param positions i32 {@code [3, T]}: its row and column, and 0
 * @param windows as segments of one call
 * @param rope half of the frequencies follow the row of a patch, half the column
 */
record WindowTables(Tensor patches, Tensor positions, Segments windows, Rope rope) {
  private static final double THETA = 10000;

  /**
   * @param head channels of a head
   */
  static WindowTables of(Device device, TensorArena arena, Windows windows, int head) {
    int[] patches = windows.patches();
    int[] positions = windows.positions();
    int[] segments = Segments.table(segments(windows));
    int[] all = Stream.of(patches, positions, segments).flatMapToInt(IntStream::of).toArray();
    Tensor on = arena.empty("windows", DType.I32, all.length);
    device.upload(on, MemorySegment.ofArray(all));
    int n = patches.length;
    int most = 4 * IntStream.of(windows.sizes()).max().orElseThrow();
    return new WindowTables(
        on.rows(0, n),
        on.rows(n, 4 * n).fold(n),
        new Segments(on.rows(4 * n, all.length).fold(Segments.WIDTH), most, most),
        rope(device, arena, 2 * Math.max(windows.rows(), windows.columns()), head));
  }

  private static List<Segment> segments(Windows windows) {
    var segments = new ArrayList<Segment>();
    int row = 0;
    for (int size : windows.sizes()) {
      segments.add(Segment.of(row, 4 * size, row, 4 * size));
      row += 4 * size;
    }
    return segments;
  }

  /** Angles in double, stored f32; both halves of a row's frequencies are the same. */
  private static Rope rope(Device device, TensorArena arena, int positions, int head) {
    int axis = head / 4;
    int half = 2 * axis;
    float[] cos = new float[positions * half];
    float[] sin = new float[positions * half];
    for (int i = 0; i < cos.length; i++) {
      int position = i / half;
      double angle = position * Math.pow(THETA, -2.0 * (i % axis) / half);
      cos[i] = (float) Math.cos(angle);
      sin[i] = (float) Math.sin(angle);
    }
    var shape = List.of(positions, half);
    return new Rope(
        device.table(arena, DType.F32, StoredTensor.of("vision cos", shape, cos)),
        device.table(arena, DType.F32, StoredTensor.of("vision sin", shape, sin)),
        new int[] {axis, axis, 0});
  }
}
