package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import starling.Demo;
import starling.Model;
import starling.Question;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;

/** The tables of {@code bench batches}: every row is there, and its figures belong together. */
class BatchesTest {
  private static final RandomDecoder.Shape SMALL = new RandomDecoder.Shape(2, 128, 2, 256, 2048);

  private static List<Path> folders() throws IOException {
    try (Stream<Path> all = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return all.filter(f -> f.getFileName().toString().startsWith("starling-bench")).toList();
    }
  }

  @Test
  void everyTableHasItsRows() {
    var said = new ArrayList<String>();
    var options = new Batches.Options(null, DeviceType.CPU, 0.02, List.of(1, 3), SMALL);
    BatchReport report = Batches.measure(options, said::add);
    assertEquals(8, report.specs().size(), "four specs, two sizes");
    BatchReport.Spec dense = report.specs().get(0);
    BatchReport.Spec star = report.specs().get(2);
    assertEquals("none", dense.prune());
    assertEquals("star:R=0.1,K=4,P=0.9", star.prune());
    assertEquals(1e9 / star.kvBytes(), star.sequencesInGigabyte());
    assertTrue(star.sequencesInGigabyte() > 1.5 * dense.sequencesInGigabyte());
    assertTrue(dense.tokensPerSecond() > dense.questionsPerSecond());
    assertEquals(List.of("none", "star:R=0.1,K=4,P=0.9"), prunes(report.shared()));
    report.shared().forEach(s -> assertTrue(s.ratio() < 0.9, "no tower: " + s));
    assertEquals(List.of(1, 3, 6), report.load().stream().map(BatchReport.Load::clients).toList());
    for (BatchReport.Load load : report.load()) {
      assertTrue(load.firstMillis() > 0 && load.firstMillis() <= load.p50Millis(), load.toString());
      assertTrue(load.p50Millis() <= load.p99Millis(), load.toString());
      double most = load.clients() * 1e3 / load.p50Millis(); // as many are under way
      assertTrue(load.answersPerSecond() < 3 * most, load.toString());
    }
    assertEquals(2, report.decode().size());
    for (BatchReport.Decode decode : report.decode()) {
      double tokens = decode.sequences() * 1e3 / decode.stepMillis();
      assertEquals(tokens, decode.tokensPerSecond(), 1e-9 * tokens);
    }
    assertTrue(report.readGigabytesPerSecond() > 0.1);
    assertTrue(said.contains("random weights, 3 sequences"), said.toString());
    String text = report.text();
    assertTrue(text.contains("fastv:K=2,keep=144"), text);
    assertTrue(text.contains("reading alone: "), text);
  }

  private static List<String> prunes(List<BatchReport.Shared> rows) {
    return rows.stream().map(BatchReport.Shared::prune).toList();
  }

  /** The numbers are finite through all layers, so an answer is as long as it may be. */
  @Test
  void randomWeightsAreAModelThatIsRemoved() throws IOException {
    List<Path> before = folders();
    Path folder;
    try (var random = RandomDecoder.write(SMALL, Demo.MODEL);
        Model model = Model.open(random.folder(), DeviceType.CPU, DType.F32)) {
      folder = random.folder();
      starling.Answer answer = model.ask(Question.of("x").maxTokens(20).logits(true));
      assertEquals(20, answer.outputTokens().size());
      assertTrue(answer.firstLogits().stream().distinct().count() > 1000, "not flat");
      long matrices = 2 * (2 * (4L * 128 * 128 + 3L * 128 * 256) + 2048L * 128);
      assertTrue(answer.decodeBytesPerToken() >= matrices, "" + answer.decodeBytesPerToken());
    }
    assertTrue(Files.notExists(folder));
    assertEquals(before, folders());
  }

  @Test
  void whatCannotBeMeasuredIsSaid() throws IOException {
    List<Path> before = folders();
    var huge = new RandomDecoder.Shape(4000, 8192, 64, 32768, 128_000);
    String message =
        assertThrows(InputException.class, () -> RandomDecoder.write(huge, Demo.MODEL))
            .getMessage();
    assertTrue(message.contains(" and random weights take 8594."), message);
    assertEquals(before, folders(), "no folder is left");
    message =
        assertThrows(
                InputException.class,
                () -> Batches.measure(null, DeviceType.EMULATED, 1, text -> {}))
            .getMessage();
    assertEquals("bench batches takes times; --device is cpu or cuda", message);
  }
}
