package starling.bench;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.lang.reflect.RecordComponent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import starling.Devices;
import starling.bench.Operator.Sizes;
import starling.device.DType;
import starling.device.Device;
import starling.device.DeviceType;
import starling.device.Segments;
import starling.device.StoredTensor;
import starling.device.Tensor;
import starling.device.TensorArena;

/** The cpu device, and every operator that it was asked for, in words. */
final class RecordedCalls implements AutoCloseable {
  /** What a whole number is before it is written. */
  private static final int POISON = 0x80808080;

  private static final Set<String> MEMORY =
      Set.of("arena", "asLinear", "upload", "download", "type");

  private final Device cpu = Devices.open(DeviceType.CPU);
  private final TensorArena arena = cpu.arena("recorded");
  private final List<String> calls = new ArrayList<>();
  private final List<StoredTensor> stored = new ArrayList<>();

  /** Makes an operator's tensors and runs it on poisoned outputs. */
  Inputs run(Operator o, Sizes sizes, DType type, int seed) {
    calls.clear();
    stored.clear();
    var inputs = new Inputs(device(), arena, type, seed);
    Runnable call = o.body().apply(inputs, sizes);
    inputs.poison();
    call.run();
    return inputs;
  }

  /** The operators that the last run asked for: a name, and its arguments in order. */
  List<String> calls() {
    return List.copyOf(calls);
  }

  /** The inputs of the last run that are no whole numbers, in the order in which they were made. */
  List<StoredTensor> stored() {
    return List.copyOf(stored);
  }

  private Device device() {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("table")) {
                stored.add((StoredTensor) arguments[2]);
              } else if (!MEMORY.contains(method.getName())) {
                var words = new ArrayList<String>();
                for (Object argument : arguments) {
                  describe(argument, words);
                }
                calls.add(method.getName() + ": " + String.join("; ", words));
              }
              try {
                return method.invoke(cpu, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** A tensor by name, type and shape, with what it holds if that is whole numbers. */
  private void describe(Object o, List<String> words) throws ReflectiveOperationException {
    switch (o) {
      case null -> words.add("null");
      case Tensor t -> words.add(tensor(t));
      case List<?> list -> {
        for (Object each : list) {
          describe(each, words);
        }
      }
      case Record r -> {
        for (RecordComponent part : r.getClass().getRecordComponents()) {
          describe(part.getAccessor().invoke(r), words);
        }
      }
      case int[] numbers -> words.add(Arrays.toString(numbers));
      default -> words.add(o.toString());
    }
  }

  private String tensor(Tensor t) {
    String shape =
        IntStream.range(0, t.rank())
            .mapToObj(i -> Integer.toString(t.dim(i)))
            .collect(Collectors.joining(",", "[", "]"));
    return t.name() + " " + t.dtype().label() + shape + (t.dtype().isFloat() ? "" : numbers(t));
  }

  /** Nothing of an output; of a table of segments, what stands before the sampling. */
  private String numbers(Tensor t) {
    int columns = t.name().equals("segments") ? Segments.TEMPERATURE : t.width();
    double[] all = values(t);
    if (Arrays.stream(all).allMatch(x -> x == POISON)) {
      return "";
    }
    return IntStream.range(0, t.rows())
        .mapToObj(
            row ->
                IntStream.range(row * t.width(), row * t.width() + columns)
                    .mapToObj(i -> Integer.toString((int) all[i]))
                    .collect(Collectors.joining(" ")))
        .collect(Collectors.joining(t.rank() == 1 ? " " : "/", " ", ""));
  }

  private double[] values(Tensor t) {
    return new Inputs(cpu, arena, DType.F32, 0).values(t);
  }

  @Override
  public void close() {
    arena.close();
    cpu.close();
  }
}
