package starling.bench;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import starling.device.Device;
import starling.device.DeviceProperties;

/** Where and when a measurement was taken. */
final class Environment {
  private Environment() {}

  static Map<String, Object> of(Device device, Meter meter) {
    DeviceProperties card = meter.properties();
    var of = new LinkedHashMap<String, Object>();
    of.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    of.put("starling", "0.1.0");
    of.put("commit", commit());
    of.put("device", device.type().label());
    of.put("description", device.description());
    of.put("card", card.name());
    of.put("uuid", card.uuid());
    of.put("mig", card.mig());
    of.put("l2_bytes", card.l2Bytes());
    of.put("multiprocessors", card.multiprocessors());
    of.put("architecture", card.architecture());
    of.put("jdk", Runtime.version().toString());
    of.put("os", System.getProperty("os.name") + " " + System.getProperty("os.version"));
    of.put("processors", Runtime.getRuntime().availableProcessors());
    of.put("load", load());
    return of;
  }

  /** Other work on the machine: wall times mean little beside it. */
  private static String load() {
    try {
      return Files.readString(Path.of("/proc/loadavg")).strip();
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** Of the sources that this was built from; written down by the build. */
  static String commit() {
    try (InputStream file = Environment.class.getResourceAsStream("commit")) {
      return file == null
          ? "unknown"
          : new String(file.readAllBytes(), StandardCharsets.UTF_8).strip();
    } catch (IOException e) {
      return "unknown";
    }
  }
}
