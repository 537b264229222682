package starling.cuda;

import static java.lang.foreign.ValueLayout.JAVA_INT;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import starling.cuda.abi.AbiCard;
import starling.cuda.abi.AbiConstants;
import starling.cuda.abi.Bindings;
import starling.device.DeviceProperties;
import starling.foreign.Symbols;
import starling.input.InputException;

/** What a library says about the machine it is on. */
final class Cards {
  private static final int LINE = 500; // bytes of a description

  private Cards() {}

  /**
   * One line about the card, after a first kernel has run on it.
   *
   * @throws InputException if nothing can run here, with the reason
   */
  static String probe(String device, Bindings library) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment text = arena.allocate(LINE);
      if (library.probe(text, LINE) != AbiConstants.OK) {
        throw new InputException("device " + device + ": " + Symbols.string(library.error()));
      }
      return text.getString(0);
    }
  }

  /** All that the driver shows; empty if it shows none. */
  static List<DeviceProperties> all(Bindings library) {
    try (Arena arena = Arena.ofConfined()) {
      MemorySegment count = arena.allocate(JAVA_INT);
      if (library.cardCount(count) != AbiConstants.OK) {
        return List.of();
      }
      var cards = new ArrayList<DeviceProperties>();
      for (int i = 0; i < count.get(JAVA_INT, 0); i++) {
        cards.add(card(library, i));
      }
      return cards;
    }
  }

  static DeviceProperties card(Bindings library, int index) {
    try (Arena arena = Arena.ofConfined()) {
      var card = new AbiCard(arena);
      if (library.cardDescribe(card, index) != AbiConstants.OK) {
        throw new InputException(Symbols.string(library.error()));
      }
      return new DeviceProperties(
          card.name(),
          card.uuid(),
          card.memoryBytes(),
          card.freeBytes(),
          card.l2Bytes(),
          card.multiprocessors(),
          card.major() + "." + card.minor(),
          card.mig() != 0);
    }
  }
}
