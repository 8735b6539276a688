"""The style sheet template. `@name` stands for a colour of the theme; lengths follow the 8-pixel grid."""

STYLESHEET_TEMPLATE = """
* { outline: none; }
QToolTip { background: @raised; color: @text; border: 1px solid @outline; padding: 6px 8px; }
QMainWindow, QDialog, QWidget#parametersPanel, QWidget#status { background: @window; }
QWidget#canvasArea, QWidget#strip, QWidget#galleryPage { background: @sunken; }
QWidget#status { border-top: 1px solid @line; }
QWidget#canvasBar, QWidget#actionArea { background: @window; }
QWidget#canvasBar { border-bottom: 1px solid @line; }
QWidget#actionArea { border-top: 1px solid @line; }
QScrollArea, QScrollArea > QWidget > QWidget#panelContent { background: @window; border: none; }
QSplitter::handle { background: @line; }
QSplitter::handle:hover { background: @accent; }

/* Same on every system: no stock icons, and the accept button last, at the right. */
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; button-layout: 3; }

QLabel { background: transparent; }
QLabel[role="heading"] { font-weight: 600; }
QLabel[role="title"] { font-size: 20px; font-weight: 600; }
QLabel[role="muted"] { color: @muted; }
QLabel[role="muted"]:disabled, QLabel:disabled { color: @outline; }
QLabel[role="over"] { color: @danger_text; }
QFrame[role="rule"] { background: @line; border: none; max-height: 1px; min-height: 1px; }

QPlainTextEdit, QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox {
    background: @field; color: @text; border: 1px solid @outline; border-radius: 6px;
    selection-background-color: @accent; selection-color: @on_accent;
}
QPlainTextEdit, QLineEdit { placeholder-text-color: @muted; }
QPlainTextEdit { padding: 4px; }
QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { min-height: 28px; padding: 0 8px; }
QSpinBox, QDoubleSpinBox { padding: 0 4px; max-height: 28px; }
QPlainTextEdit:focus, QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus { border-color: @accent; }
QPlainTextEdit:disabled, QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled {
    color: @outline; border-color: @line; background: @window;
}
QSpinBox::up-button, QDoubleSpinBox::up-button, QSpinBox::down-button, QDoubleSpinBox::down-button {
    subcontrol-origin: border; width: 18px; border: none; background: transparent;
}
QSpinBox::up-button, QDoubleSpinBox::up-button { subcontrol-position: top right; margin: 2px 2px 0 0; }
QSpinBox::down-button, QDoubleSpinBox::down-button { subcontrol-position: bottom right; margin: 0 2px 2px 0; }
QSpinBox::up-button:hover, QDoubleSpinBox::up-button:hover,
QSpinBox::down-button:hover, QDoubleSpinBox::down-button:hover { background: @hover; border-radius: 4px; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url("icons:arrow-up-@mode.svg"); width: 10px; height: 10px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow {
    image: url("icons:arrow-down-@mode.svg"); width: 10px; height: 10px;
}
QComboBox::drop-down { border: none; width: 24px; }
QComboBox::down-arrow { image: url("icons:arrow-down-@mode.svg"); width: 12px; height: 12px; }
QComboBox QAbstractItemView {
    background: @field; color: @text; border: 1px solid @outline; padding: 4px;
    selection-background-color: @accent; selection-color: @on_accent;
}
QComboBox QAbstractItemView::item { min-height: 28px; padding: 0 4px; }

QPushButton {
    background: @raised; color: @text; border: 1px solid @outline; border-radius: 6px;
    min-height: 28px; padding: 0 16px;
}
QPushButton:hover { background: @hover; }
QPushButton:focus { border-color: @accent; }
QPushButton:disabled { color: @outline; border-color: @line; background: @window; }
QPushButton[role="primary"] {
    background: @accent; color: @on_accent; border: 1px solid @accent; font-weight: 600;
}
QPushButton[role="primary"]:hover { background: @accent_hover; border-color: @accent_hover; }
QPushButton[role="primary"]:focus { border-color: @text; }
QPushButton[role="primary"]:disabled { background: @raised; color: @muted; border-color: @raised; }
QPushButton[role="stop"] {
    background: @danger; color: @on_danger; border: 1px solid @danger; font-weight: 600;
}
QPushButton[role="stop"]:hover { background: @danger_hover; border-color: @danger_hover; }
QPushButton[role="stop"]:focus { border-color: @text; }
QPushButton[role="stop"]:disabled { background: @raised; color: @muted; border-color: @raised; }
QPushButton#generate { min-height: 40px; font-size: 15px; border-width: 2px; border-radius: 8px; }
QPushButton[role="chip"] { border-radius: 15px; background: @window; border-color: @line; padding: 0 14px; }
QPushButton[role="chip"]:hover { background: @field; border-color: @accent; }
QPushButton[role="chip"]:focus { border-color: @accent; }
QPushButton[role="link"] {
    background: transparent; border: 1px solid transparent; color: @accent_text; padding: 0 6px; min-height: 22px;
}
QPushButton[role="link"]:hover { background: @hover; }
QPushButton[role="link"]:focus { border-color: @accent; }
QPushButton[role="link"]:disabled { color: @outline; }

QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 5px; color: @text; }
QToolButton:hover { background: @hover; }
QToolButton:pressed, QToolButton:checked { background: @raised; border-color: @outline; }
QToolButton:focus { border-color: @accent; }
QToolButton:disabled { color: @outline; }
QToolButton[role="disclosure"] { font-weight: 600; text-align: left; padding: 4px 4px 4px 0; }
QToolButton[role="disclosure"]:hover, QToolButton[role="disclosure"]:checked { background: transparent; }
QToolButton[role="disclosure"]:checked { border-color: transparent; }
QToolButton[role="disclosure"]:focus, QToolButton[role="disclosure"]:checked:focus { border-color: @accent; }
QToolButton[role="readout"] { min-width: 48px; }

QSlider { min-height: 24px; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: @outline; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: @accent; }
QSlider::handle:horizontal {
    width: 12px; height: 12px; margin: -5px 0; border-radius: 7px; background: @text; border: 1px solid @window;
}
QSlider::sub-page:horizontal:disabled, QSlider::groove:horizontal:disabled { background: @line; }
QSlider::handle:horizontal:disabled { background: @outline; }
QSlider::handle:horizontal:hover { background: @accent; }
QSlider::handle:horizontal:focus { background: @accent; border: 1px solid @text; }

QMenuBar { background: @window; color: @text; border-bottom: 1px solid @line; padding: 2px 4px; }
QMenuBar::item { padding: 4px 10px; border-radius: 4px; background: transparent; }
QMenuBar::item:selected { background: @hover; }
QMenu { background: @field; color: @text; border: 1px solid @outline; padding: 4px; }
QMenu::item { padding: 6px 32px 6px 16px; border-radius: 4px; }
QMenu::item:selected { background: @accent; color: @on_accent; }
QMenu::item:disabled { color: @outline; }
QMenu::separator { height: 1px; background: @line; margin: 4px 8px; }

QScrollBar:vertical { width: 12px; background: transparent; margin: 0; }
QScrollBar:horizontal { height: 12px; background: transparent; margin: 0; }
QScrollBar::handle { background: @outline; border-radius: 3px; margin: 3px; }
QScrollBar::handle:vertical { min-height: 32px; }
QScrollBar::handle:horizontal { min-width: 32px; }
QScrollBar::handle:hover { background: @muted; }
QScrollBar::add-line, QScrollBar::sub-line, QScrollBar::add-page, QScrollBar::sub-page {
    background: none; border: none; width: 0; height: 0;
}

QProgressBar { background: @raised; border: none; border-radius: 3px; max-height: 6px; min-height: 6px; }
QProgressBar::chunk { background: @accent; border-radius: 3px; }

QFrame#banner[kind="error"] { background: @danger_background; border: 1px solid @danger; border-radius: 8px; }
QFrame#banner[kind="error"] QLabel { color: @text; }
QFrame#banner[kind="error"] QLabel[role="heading"] { color: @danger_text; }
QLabel#remark {
    background: @danger_background; color: @text; border: 1px solid @danger; border-radius: 6px; padding: 6px 8px;
}
QFrame#dropFrame { background: transparent; border: 3px solid @accent; }
QLabel#dropWords {
    background: @accent; color: @on_accent; border-radius: 8px; padding: 10px 20px; font-weight: 600;
}
QFrame#toast { background: @note_background; border: 1px solid @outline; border-radius: 8px; }
QFrame#queuePopover { background: @window; border: 1px solid @outline; }
QWidget#stripRow { border-top: 1px solid @line; background: @sunken; }
QListView#strip { border: none; background: @sunken; }
QWidget#details { background: @window; border-left: 1px solid @line; }
QFrame#completion { background: @field; border: 1px solid @outline; border-radius: 6px; }
QFrame#completion QListWidget { background: transparent; border: none; color: @text; }
QFrame#completion QListWidget::item { padding: 3px 8px; border-radius: 4px; }
QFrame#completion QListWidget::item:selected { background: @accent; color: @on_accent; }
QListView#additions { background: @sunken; border: 1px solid @line; border-radius: 6px; padding: 4px; }
QListView#additions::item { padding: 4px; border-radius: 6px; color: @text; }
QListView#additions::item:hover { background: @hover; }
QListView#additions::item:selected { background: @raised; border: 1px solid @accent; color: @text; }
QTextEdit { background: @field; color: @text; border: 1px solid @outline; border-radius: 6px; padding: 4px; }
"""
