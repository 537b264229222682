package starling.text;

import java.util.ArrayList;
import java.util.List;
import starling.input.Limits;

/**
 * The template around the ids of a text.
 *
 * @param parts ids that stand there for every text; an empty list is the place of the text itself
 */
record PostProcessor(List<List<Integer>> parts) {
  private static final List<Integer> TEXT = List.of();

  static PostProcessor read(Section section) {
    if (section.absent()) {
      return new PostProcessor(List.of(TEXT));
    }
    return switch (section.type()) {
      case "ByteLevel" -> new PostProcessor(List.of(TEXT)); // concerns places in the text, not ids
      case "TemplateProcessing" -> template(section);
      case "Sequence" -> {
        List<Section> processors = section.at("processors").list();
        if (processors.size() != 1) {
          throw section.wrong(
              "of type 'Sequence' has " + processors.size() + " processors; one is supported");
        }
        yield read(processors.getFirst());
      }
      default -> throw section.unsupported();
    };
  }

  private static PostProcessor template(Section section) {
    var parts = new ArrayList<List<Integer>>();
    int added = 0;
    int texts = 0;
    for (Section part : section.at("single").list()) {
      Section sequence = part.at("Sequence");
      Section special = part.at("SpecialToken");
      if (!special.absent()) {
        Section token = section.at("special_tokens").at(special.at("id").text());
        List<Integer> ids = token.at("ids").list().stream().map(Section::number).toList();
        added += ids.size();
        if (!ids.isEmpty()) {
          parts.add(ids);
        }
      } else if (!sequence.absent() && sequence.at("id").text().equals("A")) {
        texts++;
        parts.add(TEXT);
      } else {
        throw part.wrong("is neither a SpecialToken nor the Sequence A");
      }
    }
    if (texts > Limits.GROWTH || added > Limits.TEMPLATE) {
      throw section
          .at("single")
          .wrong(
              "puts the text more than "
                  + Limits.GROWTH
                  + " times or more than "
                  + Limits.TEMPLATE
                  + " tokens around it");
    }
    return new PostProcessor(List.copyOf(parts));
  }

  List<Integer> apply(List<Integer> text) {
    var ids = new ArrayList<Integer>(text.size() + parts.size());
    for (List<Integer> part : parts) {
      ids.addAll(part.isEmpty() ? text : part);
    }
    return ids;
  }
}
