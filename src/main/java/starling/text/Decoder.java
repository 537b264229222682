package starling.text;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * The decoder of {@code tokenizer.json}: the steps every text goes through.
 *
 * <p>Until {@code Fuse} or {@code ByteLevel} a step sees single tokens. Behind it the text is one
 * token to the reference; here it goes on in pieces, and the steps are those that work on a text in
 * pieces.
 */
record Decoder(List<Supplier<DecodingStep>> steps, Growth growth) {
  static Decoder read(Section section) {
    var growth = new Growth(section);
    var reader = new Reader(growth);
    if (section.absent()) {
      reader.steps.add(DecodingSteps.SpaceBetween::new);
    } else {
      reader.add(section);
    }
    return new Decoder(List.copyOf(reader.steps), growth);
  }

  List<DecodingStep> begin() {
    return steps.stream().map(Supplier::get).toList();
  }

  private static final class Reader {
    final List<Supplier<DecodingStep>> steps = new ArrayList<>();
    private final Growth growth;
    private boolean fused;

    Reader(Growth growth) {
      this.growth = growth;
    }

    void add(Section section) {
      growth.checkSteps(steps.size() + 1);
      switch (section.type()) {
        case "Sequence" -> section.at("decoders").list().forEach(this::add);
        case "Fuse" -> fused = true;
        case "Replace" -> replace(section.literal(), section.at("content").token());
        case "ByteFallback" -> {
          if (fused) {
            throw section.wrong("of type 'ByteFallback' behind Fuse is not supported");
          }
          steps.add(DecodingSteps.ByteRuns::new);
        }
        case "Strip" -> {
          String content = section.at("content").character();
          int start = section.at("start").number();
          int stop = section.at("stop").number();
          steps.add(
              fused
                  ? () -> new DecodingSteps.Strip(content, start, stop)
                  : () -> new DecodingSteps.EachStripped(content, start, stop));
        }
        case "ByteLevel" -> {
          if (fused) {
            throw section.wrong("of type 'ByteLevel' behind Fuse or ByteLevel is not supported");
          }
          steps.add(Utf8Stream::new);
          fused = true;
        }
        case "Metaspace" -> metaspace(section);
        default -> throw section.unsupported();
      }
    }

    private void replace(String pattern, String content) {
      steps.add(
          fused
              ? () -> new DecodingSteps.Replace(pattern, content, growth)
              : () -> (token, out) -> out.accept(growth.replace(token, pattern, content)));
    }

    private void metaspace(Section section) {
      String replacement = section.at("replacement").character();
      String inFirst = Metaspace.scheme(section) == Metaspace.Scheme.NEVER ? " " : "";
      if (fused) {
        replace(replacement, inFirst);
      } else {
        steps.add(() -> new DecodingSteps.Spaces(replacement, inFirst));
      }
    }
  }
}
