package starling.text;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * The tokenizer that {@code tokenizer.json} describes: byte-pair merges of Llama's kind. It does
 * what the file says and nothing else; a part that is not implemented is refused by its type when
 * the file is read. Immutable, and safe for any number of threads.
 */
public final class Tokenizer {
  private final Map<String, Integer> ids;
  private final Map<Integer, String> tokens;
  private final Set<Integer> special;
  private final AddedTokens added;
  private final UnaryOperator<String> normalizer;
  private final Metaspace metaspace;
  private final Bpe bpe;
  private final List<Integer> prefix;
  private final List<Integer> suffix;
  private final UnaryOperator<List<String>> decoder;

  /**
   * @param metaspace the pre-tokenizer, or null
   * @param prefix ids the post-processor puts in front
   * @param suffix ids the post-processor puts behind
   */
  Tokenizer(
      Map<String, Integer> ids,
      Map<Integer, String> tokens,
      Set<Integer> special,
      AddedTokens added,
      UnaryOperator<String> normalizer,
      Metaspace metaspace,
      Bpe bpe,
      List<Integer> prefix,
      List<Integer> suffix,
      UnaryOperator<List<String>> decoder) {
    this.ids = ids;
    this.tokens = tokens;
    this.special = special;
    this.added = added;
    this.normalizer = normalizer;
    this.metaspace = metaspace;
    this.bpe = bpe;
    this.prefix = prefix;
    this.suffix = suffix;
    this.decoder = decoder;
  }

  /**
   * Reads {@code tokenizer.json} of a folder.
   *
   * @throws starling.device.InputException if it is missing, broken, or asks for something not
   *     implemented
   */
  public static Tokenizer read(Path dir) {
    return new TokenizerFile(dir.resolve("tokenizer.json")).read();
  }

  /** Ids as the post-processor gives them: with the start token, where the file asks for one. */
  public List<Integer> encode(String text) {
    var out = new ArrayList<>(prefix);
    encodePlain(text, out);
    out.addAll(suffix);
    return out;
  }

  private void encodePlain(String text, List<Integer> out) {
    for (AddedTokens.Piece piece : added.split(text, normalizer)) {
      if (piece.id() >= 0) {
        out.add(piece.id());
      } else if (metaspace == null) {
        bpe.encode(piece.text(), out);
      } else {
        for (String word : metaspace.words(piece.text(), piece.first())) {
          bpe.encode(word, out);
        }
      }
    }
  }

  /** How many ids the post-processor puts in front of a text. */
  int prefixLength() {
    return prefix.size();
  }

  /** Text of ids; ids that no token has are left out. */
  public String decode(List<Integer> ids, boolean skipSpecial) {
    var list = new ArrayList<String>(ids.size());
    for (int id : ids) {
      String token = tokens.get(id);
      if (token != null && !(skipSpecial && special.contains(id))) {
        list.add(token);
      }
    }
    return String.join("", decoder.apply(list));
  }

  /** Decodes an answer as it comes, special tokens left out. */
  public Decoding decoding() {
    return new Decoding(this);
  }

  boolean isByteToken(int id) {
    return Decoders.isByte(tokens.getOrDefault(id, ""));
  }

  /** Id of a token, or null. */
  public Integer id(String token) {
    return ids.get(token);
  }

  /** Number of tokens. */
  public int size() {
    return tokens.size();
  }
}
