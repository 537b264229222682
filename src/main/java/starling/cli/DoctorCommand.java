package starling.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import starling.Devices;
import starling.device.Device;
import starling.device.DeviceProperties;
import starling.device.DeviceType;
import starling.input.InputException;
import starling.input.TerminalText;
import starling.jcuda.Jcublas;

/** What this machine offers, and why something is not used. */
@Command(
    name = "doctor",
    description = "Shows the JDK and the devices, and why one cannot be used.")
final class DoctorCommand implements Callable<Integer> {
  @Option(names = "--json", description = "print JSON")
  private boolean json;

  record Report(
      String starling,
      String jdk,
      String os,
      int processors,
      long maxHeapBytes,
      boolean vectorApi,
      boolean fma,
      List<Found> devices,
      List<Optional> optional) {}

  /** A library of NVIDIA's that is used where it is there. */
  record Optional(String name, String purpose, List<String> tried) {}

  /**
   * @param weights which formats of weights it reads as they are; null where it cannot be used
   */
  record Found(
      DeviceType name,
      boolean usable,
      String detail,
      List<DeviceProperties> cards,
      List<String> libraries,
      String weights) {}

  /** Empty where the driver, or a library to ask it with, is not there. */
  private static List<DeviceProperties> cards(DeviceType type) {
    try {
      return type == DeviceType.CUDA ? Devices.cards() : List.of();
    } catch (InputException e) {
      return List.of();
    }
  }

  @Override
  public Integer call() {
    var devices = new ArrayList<Found>();
    for (DeviceType type : List.of(DeviceType.CPU, DeviceType.CUDA, DeviceType.EMULATED)) {
      List<String> libraries = type == DeviceType.CPU ? List.of() : Devices.tried(type);
      try (Device device = Devices.open(type)) {
        String detail = device.description();
        devices.add(new Found(type, true, detail, cards(type), libraries, device.weightFormats()));
      } catch (InputException e) {
        devices.add(new Found(type, false, reason(type, e), cards(type), libraries, null));
      }
    }
    boolean vector = ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent();
    var report =
        new Report(
            "0.1.0",
            Runtime.version() + " in " + System.getProperty("java.home"),
            System.getProperty("os.name") + " " + System.getProperty("os.arch"),
            Runtime.getRuntime().availableProcessors(),
            Runtime.getRuntime().maxMemory(),
            vector,
            Devices.fma(),
            devices,
            List.of(
                new Optional("cuBLASLt", "gemm on cuda", Devices.triedCublasLt()),
                new Optional("cuDNN", "attention on cuda", Devices.triedCudnn()),
                new Optional("cuBLAS", "JCublas in bench", cublas())));
    System.out.println(json ? Output.json(report) : text(report));
    return 0;
  }

  private static List<String> cublas() {
    try {
      return Jcublas.tried();
    } catch (LinkageError e) {
      return List.of("class path: no JCublas");
    }
  }

  /** Without what the list of libraries says anyway. */
  private static String reason(DeviceType type, InputException e) {
    return e.getMessage()
        .replaceFirst("^device " + type.label() + ": ", "")
        .replaceFirst(";.*", "");
  }

  private static String card(int index, DeviceProperties c) {
    return String.format(
        Locale.ROOT,
        "card %d%s: %s, %s, compute capability %s, %.1f GiB%s%s",
        index,
        index == 0 ? " (used)" : "",
        c.name(),
        c.uuid(),
        c.architecture(),
        c.memoryBytes() / (double) (1 << 30),
        c.freeBytes() < 0
            ? ""
            : String.format(Locale.ROOT, " (%.1f free)", c.freeBytes() / (double) (1 << 30)),
        c.mig() ? ", a MIG slice" : "");
  }

  private static String text(Report r) {
    var text = new StringBuilder();
    line(text, "starling", r.starling);
    line(text, "JDK", r.jdk);
    line(
        text,
        "machine",
        "%s, %d processors, heap up to %d MB".formatted(r.os, r.processors, r.maxHeapBytes >> 20));
    line(
        text,
        "Vector API",
        r.vectorApi ? "in use" : "not in use: start java with --add-modules jdk.incubator.vector");
    line(
        text,
        "FMA",
        r.fma
            ? "in use"
            : "not on this processor (or switched off by -XX:-UseFMA): the cpu device multiplies and"
                + " adds instead, matrix products take about twice as long");
    for (Found d : r.devices) {
      line(text, d.name.label(), (d.usable ? "" : "no: ") + d.detail);
      if (d.usable) {
        line(text, "", "weights: " + d.weights);
      }
      for (int i = 0; i < d.cards.size(); i++) {
        line(text, "", card(i, d.cards.get(i)));
      }
      d.libraries.forEach(library -> line(text, "", library));
    }
    for (Optional o : r.optional) {
      line(text, o.name, "for " + o.purpose);
      o.tried.forEach(place -> line(text, "", place));
    }
    return text.toString().stripTrailing();
  }

  /** Makes names of paths and cards, which may hold anything, safe for a terminal. */
  private static void line(StringBuilder text, String label, String what) {
    text.append(String.format(Locale.ROOT, "%-11s %s%n", label, TerminalText.of(what)));
  }
}
