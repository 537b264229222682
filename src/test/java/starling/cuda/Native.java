package starling.cuda;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import starling.Checkout;
import starling.device.DeviceType;

/**
 * The libraries that tools/build-native makes. Where one is not there a test is skipped with the
 * reason; tools/check sets STARLING_REQUIRE to those it has built, which turns the skip into a
 * failure.
 */
public final class Native {
  public static final Path HOST = Checkout.path("target/native/host/libstarling_host.so");
  public static final Path CUDA = Checkout.path("target/native/cuda/libstarling_cuda.so");

  /** The code of {@code libstarling_cuda.so} over made-up CUDA calls, with faults to order. */
  public static final Path FAKE = Checkout.path("target/native/test/libstarling_fake_cuda.so");

  /** The device under test: emulated, or cuda where tools/gpu-check says so. */
  public static final DeviceType DEVICE =
      DeviceType.of(System.getProperty("starling.test.device", "emulated"));

  private Native() {}

  /** What {@link #DEVICE} needs; a cuda that does not open is a failure, not a skip. */
  public static void needsDevice() {
    if (DEVICE == DeviceType.EMULATED) {
      needs(HOST);
    }
  }

  public static void needs(Path library) {
    String required = System.getenv().getOrDefault("STARLING_REQUIRE", "");
    if (Files.exists(library)) {
      return;
    }
    String why = library + " is not there: tools/build-native makes it";
    if (required.contains(library.getFileName().toString())) {
      throw new AssertionError(why);
    }
    assumeTrue(false, why);
  }
}
