package starling.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/**
 * What many questions at once bring.
 *
 * @param environment where and when
 * @param specs answers against clients and pruning
 * @param shared ten questions about one image
 * @param load answers against clients, as they come
 * @param decode tokens against sequences, with large random weights
 * @param readGigabytesPerSecond the measured bandwidth of reading, for {@code decode}
 */
public record BatchReport(
    Map<String, Object> environment,
    List<Spec> specs,
    List<Shared> shared,
    List<Load> load,
    List<Decode> decode,
    double readGigabytesPerSecond) {
  /**
   * Clients that ask for a description.
   *
   * @param prune the spec
   * @param clients how many ask at once
   * @param questionsPerSecond answers of all of them
   * @param tokensPerSecond tokens of these
   * @param kvBytes keys and values of an answer
   * @param sequencesInGigabyte answers whose keys and values fit into 10⁹ bytes
   */
  public record Spec(
      String prune,
      int clients,
      double questionsPerSecond,
      double tokensPerSecond,
      double kvBytes,
      double sequencesInGigabyte) {}

  /**
   * Ten questions about one image.
   *
   * @param prune the spec
   * @param askedMillis with the image in every question, the median
   * @param encodedMillis with the image encoded once, the encoding included, the median
   */
  public record Shared(String prune, double askedMillis, double encodedMillis) {
    /** What is left of the time. */
    public double ratio() {
      return encodedMillis / askedMillis;
    }
  }

  /**
   * Clients that ask short questions.
   *
   * @param clients how many ask at once
   * @param answersPerSecond of all of them
   * @param firstMillis median time to the first token
   * @param p50Millis median time to the whole answer
   * @param p99Millis the time that one of a hundred exceeds
   */
  public record Load(
      int clients,
      double answersPerSecond,
      double p50Millis,
      double p99Millis,
      double firstMillis) {}

  /**
   * Sequences that step together.
   *
   * @param sequences how many
   * @param stepMillis the median time of a step
   * @param tokensPerSecond of all of them
   * @param gigabytesPerSecond weights that are read, and keys and values of one sequence
   */
  public record Decode(
      int sequences, double stepMillis, double tokensPerSecond, double gigabytesPerSecond) {}

  /** For the console. */
  public String text() {
    return new KernelReport(environment, null, null, List.of(), List.of()).heading()
        + "\nDescriptions of 32 tokens at most, by clients and pruning:\n"
        + specTable().aligned(1)
        + "\nTen questions about one image:\n"
        + sharedTable().aligned(1)
        + "\nShort questions, dense, by clients:\n"
        + loadTable().aligned(0)
        + "\nTokens of four layers of Llama-2-7B's shape, random bf16 weights, by sequences:\n"
        + decodeTable().aligned(0)
        + String.format(Locale.ROOT, "reading alone: %.1f GB/s%n", readGigabytesPerSecond);
  }

  private Table specTable() {
    var rows = new ArrayList<List<String>>();
    for (Spec s : specs) {
      rows.add(
          List.of(
              s.prune,
              "" + s.clients,
              Table.number(s.questionsPerSecond),
              Table.number(s.tokensPerSecond),
              Table.number(s.kvBytes / 1e6),
              Table.number(s.sequencesInGigabyte)));
    }
    return new Table(
        List.of("prune", "clients", "questions/s", "tokens/s", "kv MB", "sequences in 1 GB"), rows);
  }

  private Table sharedTable() {
    var rows = new ArrayList<List<String>>();
    for (Shared s : shared) {
      rows.add(
          List.of(
              s.prune,
              Table.number(s.askedMillis),
              Table.number(s.encodedMillis),
              Table.number(s.ratio())));
    }
    return new Table(List.of("prune", "asked ms", "encoded once ms", "ratio"), rows);
  }

  private Table loadTable() {
    var rows = new ArrayList<List<String>>();
    for (Load l : load) {
      rows.add(
          List.of(
              "" + l.clients,
              Table.number(l.answersPerSecond),
              Table.number(l.answersPerSecond / load.getFirst().answersPerSecond),
              Table.number(l.p50Millis),
              Table.number(l.p99Millis),
              Table.number(l.p99Millis / l.p50Millis),
              Table.number(l.firstMillis)));
    }
    return new Table(
        List.of("clients", "answers/s", "x first", "p50 ms", "p99 ms", "p99/p50", "first token ms"),
        rows);
  }

  private Table decodeTable() {
    var rows = new ArrayList<List<String>>();
    for (Decode d : decode) {
      rows.add(
          List.of(
              "" + d.sequences,
              Table.number(d.stepMillis),
              Table.number(d.tokensPerSecond),
              Table.number(d.tokensPerSecond / decode.getFirst().tokensPerSecond),
              Table.number(d.gigabytesPerSecond),
              Table.number(d.gigabytesPerSecond / readGigabytesPerSecond)));
    }
    return new Table(
        List.of("sequences", "step ms", "tokens/s", "x first", "GB/s", "of reading"), rows);
  }
}
