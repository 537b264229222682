package starling.model;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import starling.cpu.CpuDevice;
import starling.device.DType;
import starling.device.Device;
import starling.device.Slab;
import starling.device.TensorArena;

/** The cpu device, watched: which arenas it gave, and a call of it that fails. */
final class WatchedDevice implements AutoCloseable {
  /** The failure that was asked for. */
  static final class Planted extends RuntimeException {
    private static final long serialVersionUID = 1L;
  }

  private final CpuDevice cpu = CpuDevice.open(1);
  private final List<TensorArena> arenas = new ArrayList<>();
  private final Map<String, Slab> slabs = new TreeMap<>();
  private int calls;
  private int failing = -1;

  /** The device as a model sees it. */
  Device device() {
    return (Device)
        Proxy.newProxyInstance(
            Device.class.getClassLoader(),
            new Class<?>[] {Device.class},
            (proxy, method, arguments) -> {
              if (calls++ == failing) {
                throw new Planted();
              }
              try {
                Object result = method.invoke(cpu, arguments);
                if (result instanceof TensorArena arena) {
                  arenas.add(arena);
                }
                if (result instanceof Slab slab) {
                  slabs.put((String) arguments[0], slab);
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  /** Calls so far. */
  int calls() {
    return calls;
  }

  /** Lets a call fail: the one behind so many others; none if negative. */
  void failAfter(int more) {
    failing = more < 0 ? -1 : calls + more;
  }

  /** A pool of its memory, for slots of two heads of four channels. */
  KvPool pool() {
    return new KvPool(device(), cpu.slab("copies"), DType.F32, 2, 4);
  }

  /** Names of the arenas that are open, and of slabs that are in use. */
  List<String> open() {
    return Stream.concat(
            arenas.stream().filter(TensorArena::isOpen).map(TensorArena::name),
            slabs.keySet().stream().filter(name -> slabs.get(name).used() > 0))
        .sorted()
        .toList();
  }

  /** Bytes of the arena that was given last under this name. */
  long bytes(String name) {
    return arenas.stream()
        .filter(arena -> arena.name().equals(name))
        .reduce((first, second) -> second)
        .orElseThrow()
        .bytes();
  }

  @Override
  public void close() {
    cpu.close();
  }
}
