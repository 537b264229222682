package starling;

/** A part of a {@link Message}: a text or an image. */
public sealed interface Part permits Message.Text, Message.Picture {}
