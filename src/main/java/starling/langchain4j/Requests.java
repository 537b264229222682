package starling.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import java.net.URI;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Locale;
import starling.Message;
import starling.Part;
import starling.Question;
import starling.Role;
import starling.device.Sampling;
import starling.image.Image;

/** Questions from langchain4j's requests. */
final class Requests {
  private Requests() {}

  /**
   * The question of a request.
   *
   * @param seed of what is drawn
   * @throws UnsupportedFeatureException for what is not there
   * @throws InvalidRequestException for a value that nothing can be asked with
   * @throws starling.input.InputException for messages and images that nothing can be asked with
   */
  static Question question(ChatRequest request, long seed) {
    ChatRequestParameters wanted = request.parameters();
    checkSupported(wanted);
    Question question = Question.of(messages(request.messages())).sampling(sampling(wanted, seed));
    if (wanted.maxOutputTokens() != null) {
      check(
          wanted.maxOutputTokens() >= 1, "maxOutputTokens", wanted.maxOutputTokens(), "1 or more");
      question.maxTokens(wanted.maxOutputTokens());
    }
    if (wanted.stopSequences() != null) {
      question.stop(wanted.stopSequences().toArray(String[]::new));
    }
    return question;
  }

  private static void checkSupported(ChatRequestParameters wanted) {
    refuse(wanted.modelName() != null, "modelName: a StarlingChatModel has one model");
    refuse(isPenalty(wanted.frequencyPenalty()), "frequencyPenalty");
    refuse(isPenalty(wanted.presencePenalty()), "presencePenalty");
    List<?> tools = wanted.toolSpecifications();
    refuse(tools != null && !tools.isEmpty(), "toolSpecifications");
    refuse(wanted.toolChoice() != null, "toolChoice");
    var format = wanted.responseFormat();
    refuse(format != null && format.type() != ResponseFormatType.TEXT, "responseFormat but text");
  }

  private static boolean isPenalty(Double penalty) {
    return penalty != null && penalty != 0;
  }

  private static void refuse(boolean asked, String what) {
    if (asked) {
      throw new UnsupportedFeatureException("Starling has no " + what);
    }
  }

  /** Greedy where no temperature is named. */
  private static Sampling sampling(ChatRequestParameters wanted, long seed) {
    double temperature = wanted.temperature() == null ? 0 : wanted.temperature();
    double topP = wanted.topP() == null ? 1 : wanted.topP();
    int topK = wanted.topK() == null ? 0 : wanted.topK();
    boolean finite = temperature >= 0 && temperature <= Float.MAX_VALUE;
    check(finite, "temperature", temperature, "0, which is greedy, or more");
    check((float) topP > 0 && topP <= 1, "topP", topP, "above 0 and at most 1");
    check(topK >= 0, "topK", topK, "0, which keeps all, or more");
    return new Sampling((float) temperature, topK, (float) topP, seed);
  }

  private static void check(boolean holds, String name, Number value, String what) {
    if (!holds) {
      throw new InvalidRequestException(name + " is " + value + "; it must be " + what);
    }
  }

  private static List<Message> messages(List<ChatMessage> theirs) {
    var messages = new ArrayList<Message>();
    for (ChatMessage message : theirs) {
      messages.add(message(message));
    }
    return messages;
  }

  private static Message message(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> new Message(Role.SYSTEM, texts(system.text()));
      case UserMessage user ->
          new Message(Role.USER, user.contents().stream().map(Requests::part).toList());
      case AiMessage ai -> {
        refuse(ai.hasToolExecutionRequests(), "tools: a message of the model calls one");
        refuse(!ai.images().isEmpty(), "images in messages of the model");
        yield new Message(Role.ASSISTANT, texts(ai.text()));
      }
      default -> throw unsupported("message", message.type());
    };
  }

  private static List<Part> texts(String text) {
    return text == null ? List.of() : List.of(new Message.Text(text));
  }

  private static Part part(Content content) {
    return switch (content) {
      case TextContent text -> new Message.Text(text.text());
      case ImageContent image -> new Message.Picture(image(image.image()));
      default -> throw unsupported("content", content.type());
    };
  }

  private static UnsupportedFeatureException unsupported(String what, Enum<?> type) {
    return new UnsupportedFeatureException(
        "Starling takes no " + what + " of type " + type.name().toLowerCase(Locale.ROOT));
  }

  /** Their image read; the content says of which format it is, not its type. */
  private static Image image(dev.langchain4j.data.image.Image image) {
    if (image.base64Data() != null) {
      return Image.read(bytes(image.base64Data()), "an image in base64");
    }
    URI url = image.url();
    if (url == null) {
      throw new InvalidRequestException("an image has neither base64Data nor a url");
    }
    if (!"file".equalsIgnoreCase(url.getScheme())) {
      throw new UnsupportedFeatureException(
          "Starling fetches no images: the url of one begins with "
              + url.getScheme()
              + ":; give it as base64 or as a file: address");
    }
    try {
      return Image.read(Path.of(url));
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("the file: address of an image names no file here", e);
    }
  }

  private static byte[] bytes(String base64) {
    try {
      return Base64.getDecoder().decode(base64);
    } catch (IllegalArgumentException e) {
      throw new InvalidRequestException("the base64Data of an image is not base64", e);
    }
  }
}
