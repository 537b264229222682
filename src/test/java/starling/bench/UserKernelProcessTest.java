package starling.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.Checkout;
import starling.bench.Operator.Sizes;
import starling.cuda.Native;
import starling.device.DType;
import starling.device.DeviceType;

/** Kernels of a user that do what they like: every one of them harms a row, not the bench. */
class UserKernelProcessTest {
  /** One right kernel under many entries, each of which does something else around it. */
  private static final String SOURCE =
      """
      #include "gpu/args.h"
      #include "gpu/select.h"
      #include <cstdio>
      #include <cstdlib>
      #include <cstring>
      #include <unistd.h>

      KERNEL(128)
      rank(int32_t* keep, float* score, int32_t* non_finite, const float* sums, int64_t stride, int heads, int n, int k, int rows,
           int said) {
        SHARED(float, s, 4096);
        SHARED(uint8_t, stays, 4096);
        if (said && threadIdx.x == 0) printf("from the kernel\\n");
        for (int j = int(threadIdx.x); j < n; j += 128) {
          float sum = 0;
          for (int h = 0; h < heads; h++) sum += load(sums + h * stride + j);
          float mean = sum / (float(heads) * float(rows));
          store(score + j, mean);
          if (!finite(mean)) atomic_or(non_finite, 1);
          s[j] = finite(mean) ? mean : -INFINITY;
        }
        __syncthreads();
        for (int j = int(threadIdx.x); j < n; j += 128) {
          int better = 0;
          for (int i = 0; i < n; i++) better += s[i] > s[j] || (s[i] == s[j] && i < j);
          stays[j] = better < k;
        }
        __syncthreads();
        for (int j = int(threadIdx.x); j < n; j += 128) {
          int place = 0;
          for (int i = 0; i < j; i++) place += stays[i];
          if (stays[j]) store(keep + place, j);
        }
      }

      static volatile int zero = 0;
      static int calls = 0;
      static float first[4 * 4096];

      #define ENTRY(NAME, SUMS, BEFORE) \\
        extern "C" STARLING_API int NAME(const starling_token_select_args* args, starling_stream* stream) { \\
          auto* sums = static_cast<const float*>(args->sums.data); \\
          int heads = args->sums.rows, n = args->sums.width, k = args->keep.rows, said = 0; \\
          int64_t stride = args->sums.stride; \\
          calls++; \\
          BEFORE; \\
          return gpu::guarded(#NAME, args, [&](const starling_token_select_args& a) { \\
            gpu::launch<rank>(dim3(1), dim3(128), 0, stream, gpu::vector<int32_t>("keep", a.keep, k), \\
                              gpu::vector<float>("score", a.score, n), \\
                              gpu::vector<int32_t>("non_finite", a.non_finite, 1), SUMS, \\
                              stride, heads, n, k, a.rows, said); \\
          }); \\
        }

      ENTRY(right, sums, )
      ENTRY(ends, sums, std::exit(0))
      ENTRY(ends_with_7, sums, std::_Exit(7))
      ENTRY(aborts, sums, std::abort())
      ENTRY(null_pointer, sums, *(volatile int*)nullptr = 1)
      ENTRY(divides, sums, zero = n / zero)
      ENTRY(throws, sums, throw 3)
      ENTRY(endless, sums, while (!zero) {})
      ENTRY(endless_at_100, sums, while (n == 100 && !zero) {})
      ENTRY(leaves_one, sums, if (calls == 1 && fork() == 0) sleep(600))
      ENTRY(prints, sums, said = 1; puts("{\\"json\\": 1}"); fputs("and \\x1b[2J this\\n", stderr))
      ENTRY(prints_much, sums, for (int i = 0; i < 300000; i++) puts("again and again"))
      ENTRY(once, sums, if (calls > 1) return 0)
      ENTRY(twice, sums, if (calls > 2) return 0)
      ENTRY(again_the_first, first, if (calls == 1) memcpy(first, sums, sizeof(float) * heads * stride))
      ENTRY(by_pointer, sums, static const float* last; if (last == sums) return 0; last = sums)
      ENTRY(never_goes, sums, if (calls == 1) atexit([] { for (;;) {} }))
      """;

  @TempDir static Path compiled;
  private static Path library;

  @TempDir Path folder;
  private final List<String> notes = new ArrayList<>();

  @BeforeAll
  static void compile() throws IOException {
    Native.needs(Native.HOST);
    Path source = Files.writeString(compiled.resolve("own.cu"), SOURCE);
    library =
        UserKernel.compile(
            DeviceType.EMULATED, Checkout.ROOT, source, "token_select", "right", compiled);
  }

  private UserKernelBench kernel(String entry, int seconds) {
    var options =
        new Bench.Options(
            DeviceType.EMULATED,
            Preset.TINY,
            List.of("token_select"),
            Map.of(),
            List.of(DType.F32),
            List.of(CacheState.WARM),
            compiled.resolve("own.cu"),
            entry,
            List.of(Provider.OWN),
            0.5,
            0.01);
    return new UserKernelBench(options, seconds, notes, text -> {});
  }

  private static Case selection(int n) {
    Operator operator =
        Catalogue.OPERATORS.stream()
            .filter(o -> o.name().equals("token_select"))
            .findFirst()
            .orElseThrow();
    var sizes = new LinkedHashMap<String, Integer>();
    sizes.put("n", n);
    sizes.put("k", 9);
    sizes.put("H", 4);
    return new Case("token_select", operator, new Sizes(sizes), DType.F32);
  }

  private Row row(String entry, int seconds) throws IOException {
    List<Row> rows = kernel(entry, seconds).rows(selection(96), library, folder);
    assertEquals(1, rows.size());
    return rows.get(0);
  }

  private String failure(String entry) throws IOException {
    Row row = row(entry, 60);
    assertEquals("token_select:" + entry + " n=96 k=9 H=4 f32 counted", row.key());
    assertEquals(1, row.failure().lines().count());
    return row.failure();
  }

  @Test
  void aRightKernelHasTheRowOfOneThatRunsHere() throws IOException {
    Row row = row("right", 60);
    assertEquals(null, row.failure());
    assertEquals(List.of(), notes);
    assertEquals(1, row.work().launches());
    assertEquals(1, row.work().blocks());
    assertEquals(4 * 4 * 96, row.work().read());
    assertEquals(4 * (96 + 9), row.work().written());
    assertEquals(List.of("rank"), row.work().kernels());
    assertEquals(0, row.error(), 1e-6);
  }

  @Test
  void whatEndsOrCrashesTheProcessIsOneSentence() throws IOException {
    assertEquals("it ended its process, with status 0", failure("ends"));
    assertEquals("it ended its process, with status 7", failure("ends_with_7"));
    assertEquals("it was ended by signal 6", failure("aborts"));
    assertEquals("it crashed (SIGSEGV)", failure("null_pointer"));
    assertEquals("it crashed (SIGFPE)", failure("divides"));
    assertEquals("it was ended by signal 6", failure("throws"));
    assertTrue(Files.notExists(Path.of("core")));
    assertEquals(List.of(), notes.stream().filter(n -> !n.contains("terminate")).toList());
  }

  @Test
  void whatNeverComesBackHarmsOneSize() throws IOException {
    UserKernelBench kernel = kernel("endless_at_100", 6);
    long begin = System.nanoTime();
    Row endless = kernel.rows(selection(100), library, folder).get(0);
    assertEquals("it did not come back within 6 s", endless.failure());
    assertTrue(System.nanoTime() - begin < 30e9);
    assertEquals(null, kernel.rows(selection(96), library, folder).get(0).failure());
    assertNothingGoesOn();
  }

  /** Not another wait for each of many sizes. */
  @Test
  void whatNeverComesBackTwiceIsNotTriedAgain() throws IOException {
    UserKernelBench kernel = kernel("endless", 2);
    for (int n : new int[] {20, 30}) {
      assertTrue(
          kernel
              .rows(selection(n), library, folder)
              .get(0)
              .failure()
              .startsWith("it did not come"));
    }
    assertEquals(
        "not tried: it did not come back at other sizes",
        kernel.rows(selection(40), library, folder).get(0).failure());
  }

  private void assertNothingGoesOn() {
    assertFalse(
        ProcessHandle.allProcesses()
            .map(p -> p.info().commandLine().orElse(""))
            .anyMatch(c -> c.contains("UserKernelProcess") && c.contains(folder.toString())));
  }

  @Test
  void whatItLeavesBehindDoesNotHoldTheBench() throws IOException {
    assertEquals(null, row("leaves_one", 60).failure());
    assertNothingGoesOn();
    long begin = System.nanoTime();
    assertEquals(null, row("never_goes", 60).failure(), "its figures were there before");
    assertTrue(System.nanoTime() - begin < 30e9);
    assertNothingGoesOn();
  }

  @Test
  void whatItPrintsIsANote() throws IOException {
    assertEquals(null, row("prints", 60).failure());
    assertEquals(1, notes.size());
    String note = notes.get(0);
    assertTrue(note.startsWith("token_select:prints n=96 k=9 H=4 f32 printed: "), note);
    assertTrue(note.contains("{\"json\": 1}") && note.contains("from the kernel"), note);
    assertTrue(note.contains("and \\u001b[2J this"), note);
    notes.clear();
    assertEquals(null, row("prints_much", 60).failure());
    assertTrue(notes.get(0).length() < 1100, "five megabytes are not repeated");
  }

  @Test
  void whatWasRightBeforeAndDoesNothingSinceHasNoRow() throws IOException {
    assertEquals("nothing was done: 0 launches, 0 blocks", failure("once"));
    assertTrue(failure("twice").startsWith("keep["), "it wrote nothing when asked again");
    assertEquals("nothing was done: 0 launches, 0 blocks", failure("by_pointer"));
    String why = failure("again_the_first");
    assertTrue(why.startsWith("keep[") || why.startsWith("score is wrong"), why);
  }
}
