package starling.text;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import starling.input.InputException;

/**
 * The tokenizer that {@code tokenizer.json} describes: byte-pair merges of Llama's kind and of
 * Qwen's (bytes as characters), as Hugging Face tokenizers does them. It does what the file says
 * and nothing else; a part that is not implemented is refused by its type when the file is read.
 * Immutable, and safe for any number of threads.
 *
 * <p>Three things differ from the library, on purpose. {@code truncation} and {@code padding} are
 * the caller's business, as in transformers, and have no effect. An added token has the id that the
 * file gives it; the library counts on from the vocabulary. A special token is left out of decoded
 * text by its id, so a {@code normalized} one as well.
 */
public final class Tokenizer {
  private final Map<String, Integer> ids;
  private final Map<Integer, String> tokens;
  private final Set<Integer> special;
  private final AddedTokens added;
  private final PreTokenizer preTokenizer;
  private final Bpe bpe;
  private final PostProcessor postProcessor;
  private final Decoder decoder;

  private Tokenizer(Section file) {
    Section version = file.at("version");
    if (!version.absent() && !version.text().equals("1.0")) {
      throw version.wrong("is '" + version.text() + "', not '1.0'");
    }
    var model = new BpeModel(file.at("model"));
    Normalizer normalizer = Normalizer.read(file.at("normalizer"));
    ids = new HashMap<>(model.vocabulary);
    tokens = new HashMap<>();
    ids.forEach((token, id) -> tokens.put(id, token));
    special = new HashSet<>();
    added = addedTokens(file.at("added_tokens"), normalizer);
    preTokenizer = PreTokenizer.read(file.at("pre_tokenizer"));
    bpe = model.read();
    postProcessor = PostProcessor.read(file.at("post_processor"));
    decoder = Decoder.read(file.at("decoder"));
  }

  /**
   * Reads {@code tokenizer.json} of a folder; no other file is needed. Of Qwen's kind, {@code
   * vocab.json}, {@code merges.txt} and {@code tokenizer_config.json} do as well.
   *
   * @throws InputException if it is missing, broken, or asks for something not implemented
   */
  public static Tokenizer read(Path dir) {
    return new Tokenizer(
        VocabularyFiles.in(dir)
            ? VocabularyFiles.read(dir)
            : Section.of(dir.resolve("tokenizer.json")));
  }

  private AddedTokens addedTokens(Section section, Normalizer normalizer) {
    var list = new ArrayList<AddedToken>();
    for (Section element : section.absent() ? List.<Section>of() : section.list()) {
      AddedToken token = AddedToken.read(element);
      if (token.content().isEmpty()) {
        continue;
      }
      Integer known = ids.putIfAbsent(token.content(), token.id());
      String same = tokens.get(token.id());
      if (known != null && known != token.id()) {
        throw element.wrong(
            "gives '" + token.content() + "' the id " + token.id() + ", but it has " + known);
      }
      if (known == null && same != null) {
        throw element.wrong(
            "gives '" + token.content() + "' the id " + token.id() + " of '" + same + "'");
      }
      // The decoder undoes what the normalizer does, so it is given the normalised form.
      tokens.put(
          token.id(), token.normalized() ? normalizer.apply(token.content()) : token.content());
      if (token.special()) {
        special.add(token.id());
      }
      list.add(token);
    }
    return new AddedTokens(section, list, normalizer);
  }

  /**
   * Ids as the post-processor gives them: with the start token, where the file asks for one.
   *
   * @throws InputException if the text holds a surrogate without its other half
   */
  public List<Integer> encode(String text) {
    return encode(MarkedText.of(text));
  }

  List<Integer> encode(MarkedText text) {
    return postProcess(encodePlain(text));
  }

  /**
   * Ids of a text alone, without start or end token.
   *
   * @throws InputException if the text holds a surrogate without its other half
   */
  public List<Integer> encodePlain(String text) {
    return encodePlain(MarkedText.of(text));
  }

  List<Integer> encodePlain(MarkedText text) {
    int half = Unicode.loneSurrogate(text.toString());
    if (half >= 0) {
      throw new InputException(
          "the text holds half a character (a lone surrogate) at index " + half);
    }
    var out = new ArrayList<Integer>();
    for (AddedTokens.Piece piece : added.split(text)) {
      if (piece.id() >= 0) {
        out.add(piece.id());
      } else {
        for (String word : preTokenizer.words(piece.text().toString(), piece.first())) {
          bpe.encode(word, out);
        }
      }
    }
    return out;
  }

  /** The post-processor's template around the ids of a whole text. */
  List<Integer> postProcess(List<Integer> text) {
    return postProcessor.apply(text);
  }

  /** Text of ids; ids that no token has are left out. */
  public String decode(List<Integer> ids, boolean skipSpecial) {
    var decoding = new Decoding(this, skipSpecial, decoder);
    var text = new StringBuilder();
    ids.forEach(id -> text.append(decoding.next(id)));
    return text.append(decoding.finish()).toString();
  }

  /** Decodes an answer as it comes, special tokens left out. */
  public Decoding decoding() {
    return new Decoding(this, true, decoder);
  }

  /** The token of an id as the decoder gets it, or null. */
  String token(int id) {
    return tokens.get(id);
  }

  /** Id of a token, or null. */
  public Integer id(String token) {
    return ids.get(token);
  }

  /** Whether an id is a special token's, such as the start token. */
  public boolean isSpecial(int id) {
    return special.contains(id);
  }

  /** Number of tokens, the added ones included. */
  public int size() {
    return tokens.size();
  }
}
