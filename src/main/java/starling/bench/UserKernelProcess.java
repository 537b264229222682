package starling.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedWriter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.input.InputException;

/**
 * The process in which a user's kernel runs: it may crash, end or never end here. What it finds
 * goes into a file, line by line, for the kernel owns the standard streams.
 */
final class UserKernelProcess {
  private static final ObjectMapper JSON = new ObjectMapper();

  private UserKernelProcess() {}

  /**
   * One case to measure.
   *
   * @param library the compiled kernel
   * @param symbol whose place {@code entry} takes
   * @param name of the row
   * @param operator as in the catalogue
   */
  record Request(
      DeviceType device,
      String library,
      String symbol,
      String entry,
      String name,
      String operator,
      Map<String, Integer> sizes,
      DType dtype,
      List<CacheState> caches,
      double precision,
      double seconds) {}

  /**
   * A line of the file: a step, a row, or what came of inputs that are not finite.
   *
   * @param notFinite null if it was right
   */
  record Line(String step, Row row, String failure, String notFinite) {}

  public static void main(String[] args) throws IOException {
    Thread.ofPlatform().daemon().start(UserKernelProcess::endWithTheStarter);
    Request request = JSON.readValue(Path.of(args[0]).toFile(), Request.class);
    try (BufferedWriter out = Files.newBufferedWriter(Path.of(args[1]), StandardCharsets.UTF_8)) {
      write(out, new Line("began", null, null, null));
      measure(request, line -> write(out, line));
    }
    Runtime.getRuntime().halt(0); // whatever the kernel has left to be done at the end
  }

  private static void endWithTheStarter() {
    try {
      while (System.in.read() >= 0) {
        // Nobody writes; the end is what is waited for.
      }
    } catch (IOException e) {
      // The same.
    }
    Runtime.getRuntime().halt(1);
  }

  private static void write(BufferedWriter out, Line line) {
    try {
      out.write(JSON.writeValueAsString(line));
      out.newLine();
      out.flush();
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void measure(Request r, java.util.function.Consumer<Line> out) {
    Operator operator = Catalogue.operator(r.operator);
    var of = new Case(r.name, operator, new Sizes(r.sizes), r.dtype);
    try (Device device =
            NativeDevice.openReplaced(r.device, Path.of(r.library), r.symbol, r.entry);
        Device reference = Devices.open(DeviceType.CPU);
        Meter meter = Meter.of(device);
        var bench = new KernelBench(device, reference, meter, null, r.precision, r.seconds)) {
      List<Row> rows =
          bench.rows(List.of(of), r.caches, step -> out.accept(new Line(step, null, null, null)));
      String growth = rows.stream().anyMatch(row -> row.time() != null) ? bench.growth(of) : null;
      for (Row row : rows) {
        out.accept(new Line(null, growth == null ? row : row.failed(growth), null, null));
      }
      if (rows.stream().allMatch(row -> row.failure() == null)) {
        out.accept(new Line(UserKernelBench.NOT_FINITE, null, null, null));
        out.accept(new Line(UserKernelBench.DONE, null, null, bench.notFinite(of)));
      } else {
        out.accept(new Line(UserKernelBench.DONE, null, null, null));
      }
    } catch (InputException e) {
      out.accept(new Line(null, null, e.getMessage(), null));
    }
  }
}
