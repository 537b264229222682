package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.Pages;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.DeviceType;
import starling.input.InputException;

/** A user's own kernel beside ours: what is wrong with it is one sentence. */
class UserKernelTest {
  @TempDir Path dir;

  /** The worked example of the page about kernels. */
  private static String example() {
    return Pages.example("rank.cu");
  }

  private KernelReport own(String source) throws IOException {
    Native.needs(Native.HOST);
    Path file = Files.writeString(dir.resolve("rank.cu"), source);
    return Bench.kernels(
        new Bench.Options(
            DeviceType.EMULATED,
            Preset.TINY,
            List.of("token_select"),
            Map.of("n", List.of(576), "k", List.of(58)),
            List.of(DType.F32),
            List.of(CacheState.WARM),
            file,
            "rank_select",
            List.of(Provider.OWN),
            0.1,
            0.1),
        text -> {});
  }

  private String ownFailure(String old, String replacement) throws IOException {
    String source = example();
    assertTrue(source.contains(old), old);
    KernelReport report = own(source.replace(old, replacement));
    assertTrue(report.failed());
    assertEquals(1, report.failures().size(), "ours is right beside it");
    return report.rows().get(0).failure();
  }

  @Test
  void theExampleOfTheReadmeStandsBesideOurs() throws IOException {
    KernelReport report = own(example());
    assertEquals(List.of(), report.failures());
    assertEquals(List.of(), report.notes(), "it is right about NaN");
    assertEquals(
        List.of("token_select:rank_select", "token_select"),
        report.rows().stream().map(Row::op).toList());
  }

  /** The same without what the definition says of numbers that are not finite. */
  @Test
  void whatIsWrongAboutNanIsSaid() throws IOException {
    String source = example();
    String naive = source.replace("finite(mean) ? mean : -INFINITY", "mean");
    assertFalse(naive.equals(source));
    KernelReport report = own(naive);
    assertEquals(List.of(), report.failures(), "its row stands");
    assertEquals(1, report.notes().size(), report.notes().toString());
    String note = report.notes().get(0);
    assertTrue(
        note.startsWith(
            "token_select:rank_select n=576 k=58 H=4 f32, where inputs are not finite: "),
        note);
    String silent = source.replace("if (!finite(mean)) atomic_or(non_finite, 1);", "");
    assertFalse(silent.equals(source));
    note = own(silent).notes().get(0);
    assertTrue(note.endsWith("where inputs are not finite: nonFinite[0] is 0.0, not 1.0"), note);
  }

  @Test
  void aWrongKernelGetsOneSentence() throws IOException {
    String why = ownFailure("store(score + j, mean);", "store(score + j, 2 * mean);");
    assertTrue(why.startsWith("score is wrong: relative distance"), why);
    why = ownFailure("better += s[i] > s[j]", "better += s[i] < s[j]");
    assertTrue(why.startsWith("keep["), why);
    why = ownFailure("store(score + j, mean);", "");
    assertTrue(why.startsWith("score[0] is NaN: it was not written"), why);
  }

  @Test
  void aWriteOutsideGetsOneSentence() throws IOException {
    String why =
        ownFailure(
            "if (stays[j]) store(keep + place, j);", "if (stays[j]) store(keep + place + 1, j);");
    assertTrue(why.startsWith("it writes outside keep, "), why);
    assertEquals(1, why.lines().count());
  }

  @Test
  void whatDoesNotCompileOrIsNotThereGetsOneSentence() throws IOException {
    String source = example();
    String why = compileError(source.replace("int better = 0;", "int better = nothing;"));
    assertTrue(why.contains("rank.cu does not compile: ") && why.contains("nothing"), why);
    var wrong = source.replace("int better = 0;", "int better = nothing;");
    wrong = wrong.replace("int place = 0;", "int place = nowhere;");
    Path two = Files.writeString(dir.resolve("-two.cu"), wrong);
    var errors =
        assertThrows(UserKernel.DoesNotCompile.class, () -> compiled(DeviceType.EMULATED, two))
            .errors();
    assertEquals(2, errors.size(), errors.toString());
    assertTrue(errors.get(0).matches(".*-two.cu:[0-9]+:[0-9]+: error: .*nothing.*"), errors.get(0));
    assertTrue(errors.get(1).matches(".*-two.cu:[0-9]+:[0-9]+: error: .*nowhere.*"), errors.get(1));
    why = compileError(source.replace("int rank_select(", "int other_select("));
    assertTrue(why.contains("there is no function rank_select"), why);
  }

  @Test
  void theExampleCompilesForCuda() throws IOException {
    Native.needs(Native.CUDA);
    Path file = Files.writeString(dir.resolve("rank.cu"), example());
    assertTrue(Files.size(compiled(DeviceType.CUDA, file)) > 1_000_000);
  }

  /** As an operator's parameters were until they came in one structure. */
  @Test
  void aKernelInTheOldFormIsToldTheNewOne() throws IOException {
    String source = example();
    String old =
        source.substring(0, source.indexOf("extern \"C\""))
            + """
            extern "C" STARLING_API int rank_select(int32_t* keep, float* score, int32_t* non_finite, const float* sums,
                                                    int64_t sums_stride, int32_t heads, int32_t n, int32_t k,
                                                    int32_t rows, starling_stream* stream) {
              return gpu::guarded([&] {
                gpu::launch<rank_select_kernel>(dim3(1), dim3(512), 0, stream, keep, score, non_finite, sums, sums_stride,
                                                heads, n, k, rows);
              });
            }
            """;
    String signature =
        "extern \"C\" STARLING_API int rank_select(const starling_token_select_args *args, starling_stream *stream)";
    String why = compileError(old);
    assertTrue(
        why.endsWith(
            "rank.cu: rank_select has not the parameters of the operator, which come in one structure; it must be "
                + signature),
        why);
    // In C++ it is another function of that name.
    why = compileError(old.replace("extern \"C\" STARLING_API", ""));
    assertTrue(why.endsWith("there is no function rank_select; it must be " + signature), why);
    if (Files.exists(Native.CUDA)) {
      Path file = Files.writeString(dir.resolve("old.cu"), old);
      why = assertThrows(InputException.class, () -> compiled(DeviceType.CUDA, file)).getMessage();
      assertTrue(why.contains("which come in one structure"), why);
    }
  }

  /** A kernel is compiled against headers that a jar does not hold. */
  @Test
  void aKernelNeedsTheCheckoutThatTheProgramRunsFrom() {
    Path tree = dir.resolve("starling");
    assertEquals(tree, UserKernel.checkout(tree.resolve("target/classes")));
    assertEquals(tree, UserKernel.checkout(tree.resolve("target/starling-0.1.0.jar")));
    Path jar = dir.resolve("repository/starling/0.1.0/starling-0.1.0.jar");
    String why = assertThrows(InputException.class, () -> UserKernel.checkout(jar)).getMessage();
    assertTrue(why.startsWith("--source needs a checkout of Starling, "), why);
    assertTrue(why.endsWith("this program runs from " + jar), why);
    assertTrue(Files.exists(UserKernel.checkout().resolve("kernels/gpu/gpu.h")));
  }

  private Path compiled(DeviceType device, Path source) {
    return UserKernel.compile(device, Checkout.ROOT, source, "token_select", "rank_select", dir);
  }

  private String compileError(String source) {
    Native.needs(Native.HOST);
    String why = assertThrows(InputException.class, () -> own(source)).getMessage();
    assertEquals(1, why.lines().count(), why);
    return why;
  }
}
