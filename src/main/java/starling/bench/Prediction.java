package starling.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Stream;
import starling.Devices;
import starling.cuda.NativeCeilings;
import starling.cuda.NativeDevice;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Providers;
import starling.input.InputException;

/**
 * {@code bench kernels --predict}: no device of that kind is touched. Grids, bytes and FLOPs are
 * counted on emulated, instructions come from the machine code, rates from {@link Card}.
 */
public final class Prediction {
  private static final Path RESULTS = Path.of("tools/gpu-results");

  private Prediction() {}

  /**
   * Predicts every row that the bench would measure, and for LLaVA-1.5-7B an answer.
   *
   * @param options what the bench would measure
   * @param progress is told which row is counted
   * @throws InputException if the emulated device cannot be opened, which counts the work
   */
  public static PredictionReport of(Card card, Bench.Options options, Consumer<String> progress) {
    List<Case> cases = Plans.of(options);
    Map<String, KernelWork> code = KernelWork.all();
    try (var device = (NativeDevice) Devices.open(DeviceType.EMULATED, Providers.OWN);
        NativeCeilings counters = device.ceilings()) {
      var counted = new HashMap<String, Counted>();
      var rows = new ArrayList<PredictedRow>();
      for (Case c : cases) {
        rows.add(row(card, new Answer.Step(c, 1), code, counted, device, counters, progress));
      }
      var prefill = new ArrayList<PredictedRow>();
      var token = new ArrayList<PredictedRow>();
      if (options.preset() == Preset.LLAVA_7B && options.operators().isEmpty()) {
        for (Answer.Step s : Answer.prefill()) {
          prefill.add(row(card, s, code, counted, device, counters, progress));
        }
        for (Answer.Step s : Answer.token()) {
          token.add(row(card, s, code, counted, device, counters, progress));
        }
      }
      return new PredictionReport(card, rows, prefill, token, measured(card, RESULTS));
    }
  }

  private static PredictedRow row(
      Card card,
      Answer.Step step,
      Map<String, KernelWork> code,
      Map<String, Counted> counted,
      Device device,
      NativeCeilings counters,
      Consumer<String> progress) {
    progress.accept(step.of().title());
    Counted work =
        counted.computeIfAbsent(step.of().title(), t -> Counted.of(step.of(), device, counters));
    KernelWork known = code.get(work.launch().kernel());
    if (known == null) {
      throw new IllegalStateException(
          "kernel-work.csv has no "
              + work.launch().kernel()
              + "; tools/kernel-budget --work makes it anew");
    }
    return PredictedRow.of(card, step.of(), step.count(), work, known);
  }

  /**
   * Medians in microseconds that files of {@code bench kernels --device cuda} have of such a card,
   * warm, by operator, sizes and type.
   */
  static Map<String, Double> measured(Card card, Path folder) {
    var measured = new HashMap<String, Double>();
    if (!Files.isDirectory(folder)) {
      return measured;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.filter(f -> f.toString().endsWith(".json")).sorted().toList()) {
        RunFile run = RunFile.read(file);
        if (run.environment("device").equals("cuda")
            && run.environment("card").contains(card.name())) {
          run.rows()
              .forEach(
                  (key, row) -> {
                    double median = Figures.of(file, row).median();
                    if (key.endsWith(" warm") && median > 0) {
                      measured.put(key.replaceFirst(" warm$", ""), median);
                    }
                  });
        }
      }
    } catch (IOException e) {
      throw new InputException(folder + " cannot be read", e);
    }
    return measured;
  }
}
