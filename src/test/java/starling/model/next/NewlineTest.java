package starling.model.next;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import starling.checkpoint.LlavaNextWeights;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.model.ImageInput;
import starling.model.ImageOptions;
import starling.model.ImageOptions.Newline;
import starling.model.Mode;
import starling.model.next.NextCheckpoint.Outcome;
import starling.prune.ImageTokens;

/**
 * Newline rows under cuts inside the decoder, where they always stay or compete with the patches,
 * against a referee in doubles that makes rows, scores and kept sets of its own.
 */
class NewlineTest {
  /** Float32 through four layers, logits of about 3. */
  private static final double BOUND = 2e-5;

  private static final ImageOptions COMPETE = ImageOptions.DEFAULT.newline(Newline.COMPETE);

  /** Tiles of the second and the third golden: 40x53 and 90x17 pixels. */
  private static NextReferee.Picture picture(JsonNode golden, int down, int across) {
    return new NextReferee.Picture(
        NextCheckpoint.pixels(golden),
        golden.get("height").intValue(),
        golden.get("width").intValue(),
        down,
        across);
  }

  private static void isTheReferees(
      NextCheckpoint at, String name, String spec, Newline newline, NextReferee.Cut cut)
      throws IOException {
    JsonNode all = NextCheckpoint.cases(name);
    var options = ImageOptions.DEFAULT.newline(newline);
    var images = List.of(at.image(all.get(1), options), at.image(all.get(2), options));
    var pictures = List.of(picture(all.get(1), 2, 2), picture(all.get(2), 3, 1));
    Outcome own = at.run(images, spec, Mode.COMPACT);
    var referee =
        new NextReferee(
            at.family().text(), LlavaNextWeights.read(at.family().config(), at.files()));
    for (int drawn : new int[] {0, 1, 4}) {
      double[] right =
          referee.logits(
              NextCheckpoint.ids(2),
              NextCheckpoint.IMAGE,
              Arrays.copyOf(own.tokens(), drawn),
              pictures,
              cut);
      assertEquals(referee.kept, own.kept(), spec);
      for (int i = 0; i < right.length; i++) {
        assertEquals(right[i], own.logits().get(drawn)[i], BOUND, spec + " " + i);
      }
    }
    Outcome mask = at.run(images, spec, Mode.MASK);
    assertEquals(own.kept(), mask.kept());
    assertArrayEquals(own.tokens(), mask.tokens());
    for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
      double distance = NextCheckpoint.distance(own.logits().get(i), mask.logits().get(i));
      assertTrue(distance < BOUND, spec + " " + distance);
    }
  }

  private static void referee(Device device, String name, Newline newline) throws IOException {
    boolean competes = newline == Newline.COMPETE;
    try (var at = NextCheckpoint.open(NextCheckpoint.folder(name), device)) {
      isTheReferees(at, name, "none", newline, new NextReferee.Cut(0, 0, false, competes));
      isTheReferees(
          at, name, "fastv:K=1,keep=17", newline, new NextReferee.Cut(1, 17, false, competes));
    }
  }

  @ParameterizedTest
  @CsvSource({"llama,KEEP", "llama,COMPETE", "mistral,KEEP", "mistral,COMPETE"})
  void choiceAndLogitsAreTheReferees(String name, Newline newline) throws IOException {
    referee(CpuDevice.open(), name, newline);
  }

  @ParameterizedTest
  @CsvSource({"llama,COMPETE", "mistral,COMPETE"})
  void kernelsChooseTheSame(String name, Newline newline) throws IOException {
    Native.needs(Native.HOST);
    referee(NativeDevice.open(DeviceType.EMULATED), name, newline);
  }

  /** FastV's kept sets, and logits of the second layer on these rows alone. */
  @ParameterizedTest
  @ValueSource(strings = {"llama", "mistral"})
  void whatFastVKeepsIsWhatTransformersGives(String name) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder(name), CpuDevice.open())) {
      for (JsonNode golden : NextCheckpoint.cases(name)) {
        assertEquals(2, golden.get("pruned").size());
        for (JsonNode right : golden.get("pruned")) {
          boolean competes = right.get("compete").booleanValue();
          var options = ImageOptions.DEFAULT.newline(competes ? Newline.COMPETE : Newline.KEEP);
          Outcome own =
              at.run(List.of(at.image(golden, options)), "fastv:K=1,keep=9", Mode.COMPACT);
          assertEquals(right.get("kept").toString(), own.kept().get(0).toString().replace(" ", ""));
          NextCheckpoint.isNear(right.get("logits"), own.logits().get(0), BOUND);
        }
      }
    }
  }

  /** STAR's second stage alone; one image, of which both kinds of rows are dropped. */
  @Test
  void starsSecondStageDropsNewlinesToo() throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("llama"), CpuDevice.open())) {
      JsonNode golden = NextCheckpoint.cases("llama").get(1);
      ImageInput image = at.image(golden, COMPETE);
      int n = image.tokens().rows(); // 16 + 6 · (8 + 1)
      assertEquals(70, n);
      Outcome own = at.run(List.of(image), "star:R=0,K=1,P=0.5", Mode.COMPACT);
      var referee =
          new NextReferee(
              at.family().text(), LlavaNextWeights.read(at.family().config(), at.files()));
      referee.logits(
          NextCheckpoint.ids(1),
          NextCheckpoint.IMAGE,
          new int[0],
          List.of(picture(golden, 2, 2)),
          new NextReferee.Cut(1, 35, true, true));
      assertEquals(referee.kept, own.kept());
      long newlines = own.kept().get(0).stream().filter(j -> image.tokens().crop()[j] < 0).count();
      assertTrue(newlines > 0 && newlines < 6, newlines + " of 6 newlines are kept");
      assertArrayEquals(new int[] {70, 70, 35}, own.plan().visualTokens());
      assertArrayEquals(new int[] {75, 40}, own.plan().tokensPerLayer());
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"fastv:K=1,keep=1.0", "star:R=0,K=1,P=0", "star:R=0,K=1,P=0.0001"})
  void keepingAllChangesNoBit(String spec) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("mistral"), CpuDevice.open())) {
      JsonNode all = NextCheckpoint.cases("mistral");
      var images = List.of(at.image(all.get(1), COMPETE), at.image(all.get(0), COMPETE));
      var stock =
          List.of(
              at.image(all.get(1), ImageOptions.DEFAULT),
              at.image(all.get(0), ImageOptions.DEFAULT));
      Outcome whole = at.run(stock, "none", Mode.COMPACT);
      for (String of : List.of("none", spec)) {
        Outcome own = at.run(images, of, Mode.COMPACT);
        for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
          assertArrayEquals(whole.logits().get(i), own.logits().get(i), of);
        }
      }
    }
  }

  @Test
  void aTraceIsReplayed(@TempDir Path dir) throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("llama"), CpuDevice.open())) {
      var images = List.of(at.image(NextCheckpoint.cases("llama").get(2), COMPETE));
      Outcome own = at.run(images, "fastv:K=1,keep=9", Mode.COMPACT);
      Path trace =
          Files.writeString(
              dir.resolve("trace.json"),
              "{\"stages\":[{\"stage\":2,\"image\":0,\"layer\":1,\"kept\":"
                  + own.kept().get(0)
                  + "}]}");
      Outcome replayed = at.run(images, "replay:" + trace, Mode.COMPACT);
      assertEquals(own.kept(), replayed.kept());
      for (int i = 0; i < NextCheckpoint.TOKENS; i++) {
        assertArrayEquals(own.logits().get(i), replayed.logits().get(i));
      }
    }
  }

  @Test
  void whatCutsBeforeTheDecoderIsRefused() throws IOException {
    try (var at = NextCheckpoint.open(NextCheckpoint.folder("llama"), CpuDevice.open())) {
      var images = List.of(at.image(NextCheckpoint.cases("llama").get(1), COMPETE));
      for (String spec :
          List.of(
              "fastervlm:keep=9",
              "vispruner:keep=9",
              "star:R=0.3,K=1,P=0.6",
              "random:keep=6,seed=3",
              "uniform:keep=6")) {
        var e = assertThrows(InputException.class, () -> at.run(images, spec, Mode.COMPACT), spec);
        assertTrue(
            e.getMessage()
                .endsWith(
                    ": a cut before the decoder cannot choose among newline rows, which the tower"
                        + " does not see; with --newline compete only cuts inside the decoder are"
                        + " possible"),
            e.getMessage());
      }
      var e =
          assertThrows(
              InputException.class,
              () -> at.run(images, "fastv:K=1,keep=3,budget=crop", Mode.COMPACT));
      assertEquals(
          "fastv:K=1,keep=3,budget=crop: newline rows belong to no crop; with --newline compete a"
              + " method counts over the image (budget=image)",
          e.getMessage());
    }
  }

  // ---- rows ----

  /** A grid of two rows and three columns behind four patches, 0 and 1 of a row of tiles left. */
  @Test
  void newlinesAreCandidatesInTheOrderOfTheSequence() {
    var part = new starling.image.AnyResolution.Part(1, 1, 2, 3);
    ImageTokens keep = new TiledImage(2, 2, 2, part, Newline.KEEP).tokens();
    ImageTokens drop = new TiledImage(2, 2, 2, part, Newline.DROP).tokens();
    ImageTokens compete = new TiledImage(2, 2, 2, part, Newline.COMPETE).tokens();
    assertEquals(List.of(12, 10, 2), List.of(keep.rows(), keep.candidates(), keep.tableRows()));
    assertEquals(List.of(10, 10, 0), List.of(drop.rows(), drop.candidates(), drop.tableRows()));
    assertEquals(
        List.of(12, 12, 2), List.of(compete.rows(), compete.candidates(), compete.tableRows()));
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6, 8, 9, 10}, keep.row());
    assertArrayEquals(IntStream.range(0, 12).toArray(), compete.row());
    assertArrayEquals(new int[] {0, 0, 0, 0, 1, 2, 2, -1, 3, 4, 4, -1}, compete.crop());
    assertArrayEquals(new int[] {0, 1, 2, 3, 3, 2, 3, -1, 1, 0, 1, -1}, compete.place());
    assertArrayEquals(new int[] {1, 2, 3, 4, 9, 13, 14, -1, 17, 21, 22, -1}, compete.sources());
    assertEquals(0, compete.fixedRows());
  }

  @Test
  void thePublishedSizesCountThem(@TempDir Path dir) throws IOException {
    LlavaNext family = LlavaNext.read(PublishedNext.vicunaSeven(dir));
    ImageTokens tokens = family.tokens(480, 640, COMPETE);
    assertEquals(2340, tokens.rows());
    assertEquals(2340, tokens.candidates());
    assertEquals(2340 - 36, tokens.shown());
  }
}
