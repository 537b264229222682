package starling;

import java.util.List;
import starling.input.InputException;
import starling.text.ChatWriter;
import starling.text.Conversation;
import starling.text.Template;
import starling.text.Tokenizer;

/**
 * A question's prompt as a model reads it.
 *
 * @param ids token ids, every image once as the model's image token
 * @param warnings what is odd about it, one sentence each
 */
record Prompt(int[] ids, List<String> warnings) {

  /**
   * Wraps the question and tokenizes it.
   *
   * @param rows visual tokens of each image
   * @throws InputException if its marks do not fit its images, or the tokenizer the model
   */
  static Prompt of(Model model, Question question, int[] rows) {
    Tokenizer tokenizer = model.tokenizer();
    int imageToken = model.family().imageToken();
    Template usual = model.family().template();
    if (question.messages != null) {
      Template template = question.template == null ? usual : question.template;
      int[] ids = written(question.messages, template.chat()).ids(tokenizer, imageToken);
      return checked(model, ids, List.of());
    }
    var said = new Conversation(question.system, question.turns, question.prompt);
    boolean raw = question.template == Template.RAW;
    if (raw || isWhole(question, said, usual)) {
      return checked(
          model,
          usual.bare(tokenizer, said, rows, imageToken),
          raw
              ? List.of()
              : List.of(
                  "the prompt holds "
                      + usual.placeholder()
                      + ", so it is used as given; to have it wrapped, name a"
                      + " template (--template)"));
    }
    Template template = question.template == null ? usual : question.template;
    return checked(model, template.ids(tokenizer, said, rows, imageToken), List.of());
  }

  private static ChatWriter written(List<Message> messages, ChatWriter chat) {
    for (Message message : messages) {
      switch (message.role()) {
        case SYSTEM -> chat.system();
        case USER -> chat.user();
        case ASSISTANT -> chat.assistant();
      }
      for (Part part : message.parts()) {
        switch (part) {
          case Message.Text(String text) -> chat.text(text);
          case Message.Picture picture -> chat.image();
        }
      }
    }
    return chat;
  }

  private static boolean isWhole(Question question, Conversation said, Template usual) {
    return question.template == null
        && said.isQuestionOnly()
        && usual.holdsPlaceholder(question.prompt);
  }

  private static Prompt checked(Model model, int[] ids, List<String> warnings) {
    int vocabulary = model.family().text().vocabSize();
    for (int id : ids) {
      if (id >= vocabulary && id != model.family().imageToken()) {
        throw new InputException(
            model.dir()
                + ": the tokenizer gives id "
                + id
                + ", but the model's vocab_size is "
                + vocabulary);
      }
    }
    return new Prompt(ids, warnings);
  }
}
