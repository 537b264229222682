package starling.server;

import java.net.InetAddress;
import java.util.List;

/**
 * The addresses that everybody on the internet may reach. All others are refused: those of this
 * machine, of its network, of a cloud's metadata, and those that stand for another address.
 */
final class PublicAddresses {
  /**
   * A block of addresses.
   *
   * @param bits how many leading bits all of them have in common
   */
  private record Block(byte[] start, int bits) {
    static Block of(String text) {
      String[] parts = text.split("/", -1);
      return new Block(InetAddress.ofLiteral(parts[0]).getAddress(), Integer.parseInt(parts[1]));
    }

    boolean holds(byte[] address) {
      if (address.length != start.length) {
        return false;
      }
      for (int i = 0; i < bits; i++) {
        int bit = 0x80 >> i % 8;
        if ((address[i / 8] & bit) != (start[i / 8] & bit)) {
          return false;
        }
      }
      return true;
    }
  }

  /** All that IANA's registries of special-purpose addresses call not globally reachable. */
  private static final List<Block> NOT_PUBLIC =
      List.of(
              "0.0.0.0/8",
              "10.0.0.0/8",
              "100.64.0.0/10",
              "127.0.0.0/8",
              "168.63.129.16/32", // a host's service, though of a public block
              "169.254.0.0/16",
              "172.16.0.0/12",
              "192.0.0.0/24",
              "192.0.2.0/24",
              "192.88.99.0/24",
              "192.168.0.0/16",
              "198.18.0.0/15",
              "198.51.100.0/24",
              "203.0.113.0/24",
              "224.0.0.0/4",
              "240.0.0.0/4",
              "2001::/23",
              "2001:db8::/32",
              "2002::/16", // stands for an IPv4 address
              "3fff::/20")
          .stream()
          .map(Block::of)
          .toList();

  /** What is handed out of IPv6 so far. */
  private static final Block GLOBAL = Block.of("2000::/3");

  private PublicAddresses() {}

  static boolean contains(InetAddress address) {
    byte[] bytes = address.getAddress();
    return (bytes.length == 4 || GLOBAL.holds(bytes))
        && NOT_PUBLIC.stream().noneMatch(block -> block.holds(bytes));
  }
}
