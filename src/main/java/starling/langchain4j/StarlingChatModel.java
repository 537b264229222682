package starling.langchain4j;

import dev.langchain4j.model.ModelProvider;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import starling.Model;
import starling.Question;
import starling.prune.Methods;

/**
 * A {@link Model} as a chat model of langchain4j, at once or streaming. The model stays its
 * owner's, who closes it; any number of threads may ask.
 *
 * <p>A request's texts are only texts, see {@link starling.Message}. Images are PNG or JPEG, as
 * base64 or as a {@code file:} address, which is read with the rights of this process; any other
 * address is refused. Of the parameters {@code temperature}, {@code topP}, {@code topK}, {@code
 * maxOutputTokens} and {@code stopSequences} hold; without a temperature answers are greedy. What
 * is not there (tools, JSON, penalties, audio, video, another model) is refused by an {@link
 * dev.langchain4j.exception.UnsupportedFeatureException}, and what cannot be asked by an {@link
 * dev.langchain4j.exception.InvalidRequestException}. A queue that is full is a {@link
 * dev.langchain4j.exception.RateLimitException}.
 */
public final class StarlingChatModel implements ChatModel, StreamingChatModel {
  private final Model model;
  private final String prune;
  private final Long seed; // null: another one for every request
  private final ChatRequestParameters parameters;

  private StarlingChatModel(Builder builder) {
    model = builder.model;
    prune = builder.prune;
    seed = builder.seed;
    parameters = builder.parameters;
  }

  /** A chat model with a few values of its own, from a model that stays the caller's. */
  public static Builder builder(Model model) {
    return new Builder(model);
  }

  /** The values of a chat model. */
  public static final class Builder {
    private final Model model;
    private String prune = "none";
    private Long seed;
    private ChatRequestParameters parameters = ChatRequestParameters.builder().build();

    private Builder(Model model) {
      this.model = Objects.requireNonNull(model, "model");
    }

    /**
     * The pruning spec of every request; {@code none} unless told.
     *
     * @throws starling.input.InputException if it is none
     */
    public Builder prune(String spec) {
      Methods.parse(Objects.requireNonNull(spec, "prune"));
      prune = spec;
      return this;
    }

    /** The seed of every request above temperature 0; unless told another one each time. */
    public Builder seed(long value) {
      seed = value;
      return this;
    }

    /** What holds where a request does not say it. */
    public Builder defaultRequestParameters(ChatRequestParameters value) {
      parameters = Objects.requireNonNull(value, "defaultRequestParameters");
      return this;
    }

    /** The chat model. */
    public StarlingChatModel build() {
      return new StarlingChatModel(this);
    }
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    Question question = question(request);
    try {
      return Responses.of(model.ask(question));
    } catch (RuntimeException e) {
      throw Responses.translated(e);
    }
  }

  /**
   * Streams an answer on a thread of its own, which the handler may keep waiting. A request that is
   * refused is an exception here; what happens later is handed to {@code onError}. An exception of
   * the handler cancels the question, and is handed to it, too.
   */
  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    Question question = question(request);
    try {
      var answering = new StreamedAnswer(model.stream(question), handler);
      Thread.ofVirtual().name("starling-chat").start(answering);
    } catch (RuntimeException e) {
      throw Responses.translated(e);
    }
  }

  private Question question(ChatRequest request) {
    long drawn = seed != null ? seed : ThreadLocalRandom.current().nextLong();
    try {
      return Requests.question(request, drawn).prune(prune);
    } catch (RuntimeException e) {
      throw Responses.translated(e);
    }
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return parameters;
  }

  @Override
  public List<ChatModelListener> listeners() {
    return List.of();
  }

  @Override
  public ModelProvider provider() {
    return ModelProvider.OTHER;
  }

  @Override
  public Set<Capability> supportedCapabilities() {
    return Set.of();
  }
}
