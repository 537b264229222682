package starling.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.Families;
import starling.checkpoint.Safetensors;
import starling.cpu.CpuDevice;
import starling.cuda.Native;
import starling.cuda.NativeDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Sampling;
import starling.image.Image;
import starling.prune.Method;
import starling.prune.Methods;

/**
 * Every family under every method in both modes, in f32: kept sets and greedy tokens of the kernels
 * and of the cpu device are the same, and so are those of a mask and of compacted rows. Prints the
 * table that the page on models shows, and holds the page against it.
 */
class FamilyAgreementTest {
  /** Of the largest logit, float against float through at most eight blocks; 2e-6 seen. */
  private static final double BOUND = 1e-5;

  private static final int TOKENS = 5;
  private static final Path PAGE = Checkout.path("src/site/markdown/models.md");

  /** Tiny random checkpoints, whose folders lie under the tests' resources. */
  private static final Map<String, String> FAMILIES =
      new TreeMap<>(
          Map.of(
              "llava", "model/names436",
              "next-llama", "next-llama",
              "next-mistral", "next-mistral",
              "qwen-free", "model/qwen-free",
              "qwen-tied", "model/qwen-tied"));

  private static final List<String> SPECS =
      List.of(
          "none",
          "star:R=0.3,K=1,P=0.6",
          "star:R=0.2,K=1,P=0.5,budget=crop",
          "fastv:K=1,keep=0.4",
          "fastervlm:keep=0.3",
          "vispruner:keep=0.3",
          "random:keep=0.3,seed=7",
          "uniform:keep=0.3");

  private static final Pattern SHARE = Pattern.compile("\\de[-+]\\d\\d");

  private static final String HEAD =
      row("family", "prune", "kept", "compact", "mask", "mask - compact");

  @TempDir private static Path dir;

  @BeforeAll
  static void needs() {
    Native.needs(Native.HOST);
  }

  /**
   * @param kept what each group keeps in each stage
   * @param left candidates that the last stage leaves of all images
   * @param trace the kept sets as a replay reads them
   */
  private record Outcome(
      List<float[]> logits,
      List<Integer> tokens,
      List<List<Integer>> kept,
      int left,
      String trace) {
    /** The largest difference of a logit, as a share of the largest logit. */
    double from(Outcome other) {
      double apart = 0;
      double largest = 0;
      for (int t = 0; t < logits.size(); t++) {
        for (int i = 0; i < logits.get(t).length; i++) {
          double d = Math.abs(logits.get(t)[i] - other.logits.get(t)[i]);
          apart = d <= apart ? apart : d; // NaN sticks
          largest = Math.max(largest, Math.abs(other.logits.get(t)[i]));
        }
      }
      return apart / largest;
    }
  }

  /** A family's checkpoint on both devices, and two images of odd sizes. */
  private record Checkpoint(
      VisionLanguageModel family, List<ImageInput> images, LoadedModel cpu, LoadedModel kernels) {

    static Checkpoint open(Path dir, Safetensors files, Device cpu, Device kernels) {
      VisionLanguageModel family = Families.read(dir);
      var images = new ArrayList<ImageInput>();
      for (int[] size : new int[][] {{150, 187}, {91, 47}}) {
        byte[] rgb = new byte[3 * size[0] * size[1]];
        new Random(size[0]).nextBytes(rgb);
        var noise = new Image(size[0], size[1], rgb);
        images.add(family.images(dir).prepare(noise, ImageOptions.DEFAULT, "noise"));
      }
      var weights = family.weights(files);
      return new Checkpoint(
          family,
          images,
          new LoadedModel(cpu, family, weights, DType.F32),
          new LoadedModel(kernels, family, weights, DType.F32));
    }

    Outcome run(LoadedModel on, Method method, Mode mode) {
      int image = family.imageToken();
      int[] ids = {1, image, 5, image, 6, 7, 8};
      var request =
          new Request(ids, images, method, mode, Sampling.GREEDY, TOKENS, (p, d, o) -> {});
      try (Generation generation = on.prefill(request)) {
        var logits = new ArrayList<float[]>();
        var tokens = new ArrayList<Integer>();
        for (int t = 0; t < TOKENS; t++) {
          tokens.add(generation.next());
          logits.add(generation.logits());
        }
        var kept =
            generation.stages().stream()
                .map(s -> Arrays.stream(generation.ints(s.kept())).boxed().toList())
                .toList();
        int[] visual = generation.plan().visualTokens();
        int fixed = images.stream().mapToInt(i -> i.tokens().fixedRows()).sum();
        String trace = trace(generation.stages(), kept);
        return new Outcome(logits, tokens, kept, visual[2] - fixed, trace);
      }
    }

    private static String trace(List<Stage> stages, List<List<Integer>> kept) {
      return IntStream.range(0, kept.size())
          .mapToObj(
              i ->
                  "{\"stage\":%d,\"image\":%d,\"layer\":%d,\"kept\":%s}"
                      .formatted(
                          stages.get(i).stage(),
                          stages.get(i).image(),
                          stages.get(i).layer(),
                          kept.get(i)))
          .collect(Collectors.joining(",", "{\"stages\":[", "]}"));
    }

    void close() {
      cpu.close();
      kernels.close();
    }
  }

  private static String row(String family, String spec, String kept, Object... shares) {
    return String.format(
            Locale.ROOT,
            "%-12s %-33s %9s %8s %8s %15s",
            family,
            spec,
            kept,
            shares[0],
            shares[1],
            shares[2])
        .stripTrailing();
  }

  /** Of what STAR keeps. */
  private static Method replay(Checkpoint checkpoint) throws IOException {
    Outcome star = checkpoint.run(checkpoint.cpu, Methods.parse(SPECS.get(1)), Mode.COMPACT);
    Path file = Files.writeString(dir.resolve("trace.json"), star.trace);
    return Methods.parse("replay:" + file);
  }

  private static String share(double value) {
    return String.format(Locale.ROOT, "%.0e", value);
  }

  private static String compared(String name, Checkpoint checkpoint, String spec, Method method) {
    Outcome compact = checkpoint.run(checkpoint.cpu, method, Mode.COMPACT);
    Outcome mask = checkpoint.run(checkpoint.cpu, method, Mode.MASK);
    Outcome ofKernels = checkpoint.run(checkpoint.kernels, method, Mode.COMPACT);
    Outcome maskOfKernels = checkpoint.run(checkpoint.kernels, method, Mode.MASK);
    for (Outcome other : List.of(mask, ofKernels, maskOfKernels)) {
      assertEquals(compact.kept, other.kept, name + " " + spec);
      assertEquals(compact.tokens, other.tokens, name + " " + spec);
    }
    double[] apart = {ofKernels.from(compact), maskOfKernels.from(mask), mask.from(compact)};
    for (double share : apart) {
      assertTrue(share <= BOUND, name + " " + spec + ": logits differ by " + share);
    }
    int candidates = checkpoint.images.stream().mapToInt(i -> i.tokens().candidates()).sum();
    return row(
        name,
        spec,
        compact.left + "/" + candidates,
        share(apart[0]),
        share(apart[1]),
        share(apart[2]));
  }

  /** Digits of a difference depend on the machine; all else on the page must be as printed. */
  private static String withoutShares(String text) {
    return SHARE.matcher(text).replaceAll("share");
  }

  @Test
  void kernelsAgreeWithTheCpuAndAMaskWithCompactedRows() throws IOException {
    var table = new ArrayList<String>(List.of(HEAD));
    try (Device cpu = CpuDevice.open();
        Device kernels = NativeDevice.open(DeviceType.EMULATED)) {
      for (var family : FAMILIES.entrySet()) {
        Path folder = Checkout.path("src/test/resources/starling").resolve(family.getValue());
        try (Safetensors files = Safetensors.open(folder)) {
          Checkpoint checkpoint = Checkpoint.open(folder, files, cpu, kernels);
          SPECS.forEach(
              spec -> table.add(compared(family.getKey(), checkpoint, spec, Methods.parse(spec))));
          table.add(
              compared(family.getKey(), checkpoint, "replay:FILE of star's", replay(checkpoint)));
          checkpoint.close();
        }
      }
    }
    String text = String.join("\n", table);
    System.out.println(text);
    String page = Files.readString(PAGE);
    assertTrue(withoutShares(page).contains(withoutShares(text)), "models.md has another table");
    SHARE
        .matcher(page)
        .results()
        .forEach(share -> assertTrue(Double.parseDouble(share.group()) <= BOUND, share.group()));
  }
}
